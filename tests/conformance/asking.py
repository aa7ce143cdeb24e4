"""Clients that ask all the time while a stack is changed."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self

PAUSE_S = 0.05


@dataclass(kw_only=True)
class Client(ABC):
    """Somebody who asks in a thread, for as long as the block lasts; what is no good answer is kept."""

    end_s: ClassVar[float]  # for the last question
    good: int = 0
    bad: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the question that is under way."""
        self._over.set()
        self._thread.join(self.end_s)

    @abstractmethod
    def _run(self) -> None:
        """Ask until it is over."""


@dataclass
class Asking(Client):
    """One who asks the same again and again."""

    ask: Callable[[int], object]
    slowest: float = 0
    end_s: ClassVar[float] = 120.0

    def _run(self) -> None:
        while not self._over.wait(PAUSE_S):
            start = time.monotonic()
            try:
                self.ask(self.good)
                self.good += 1
            except Exception as problem:  # noqa: BLE001 (whatever it is, a client of the stack has seen it)
                self.bad.append(repr(problem))
            self.slowest = max(self.slowest, time.monotonic() - start)
