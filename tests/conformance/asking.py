"""Clients that ask all the time while a stack is changed."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

END_S = 120.0  # for the last question
PAUSE_S = 0.05


@dataclass
class Asking:
    """Somebody who asks the same again and again, in a thread; an answer that is no good is kept."""

    ask: Callable[[int], object]
    good: int = 0
    bad: list[str] = field(default_factory=list)
    slowest: float = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End after the question that is under way."""
        self._over.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        while not self._over.wait(PAUSE_S):
            start = time.monotonic()
            try:
                self.ask(self.good)
                self.good += 1
            except Exception as problem:  # noqa: BLE001 (whatever it is, a client of the stack has seen it)
                self.bad.append(repr(problem))
            self.slowest = max(self.slowest, time.monotonic() - start)
