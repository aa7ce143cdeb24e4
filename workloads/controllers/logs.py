"""Copies containers' lines to the store while they run. Used by the job and endpoint controllers.

A container that floods its log slows nobody else: what is read of it is bounded per turn of the pump, and once the
store keeps no more of its resource's lines it is read no further.

After a restart of the controllers each container's log is read from its start again, and what the store has is
skipped. Every line gets a time of its own (a microsecond after the one before, if need be), by a rule that gives the
same times at each reading: that is what makes the skipping exact.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from workloads.controllers.engines.base import Engine, EngineError, LogEntry
from workloads.store import NotFound, Store, StoreError

LOG: Final = logging.getLogger(__name__)
FLUSH_S: Final = 0.2
BUFFERED_LINES: Final = 2000  # of a container at once, so 10,000 lines and 5 MiB a second at most
BUFFERED_CHARACTERS: Final = 1024 * 1024
RETRY_S: Final = 1.0


def unique_times(entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
    """The entries with strictly growing times."""
    last: datetime | None = None
    for when, text in entries:
        last = when if last is None or when > last else last + timedelta(microseconds=1)
        yield last, text


class _Tail:
    """One container's log on its way to the store: a thread that reads, a buffer that the pump empties."""

    def __init__(self, pump: "LogPump", resource: str, replica: str, container: str) -> None:
        self.resource, self.replica, self.container = resource, replica, container
        self.lines: queue.Queue[LogEntry] = queue.Queue(BUFFERED_LINES)
        self.characters = 0  # in `lines`, or a little fewer
        self.is_full = False  # the store keeps no more
        self.ended = threading.Event()
        self._pump = pump
        threading.Thread(target=self._read, daemon=True, name=f"log {container}").start()

    @property
    def is_done(self) -> bool:
        """Whether the container has ended and every line of it is in the store."""
        return self.ended.is_set() and self.lines.empty()

    def _read(self) -> None:
        """Until the container ends; an engine or a database that is away is tried again."""
        while not self._pump.closed:
            try:
                self._copy()
                break
            except (EngineError, StoreError) as error:
                LOG.warning("log of %s: %s", self.container, error)
                time.sleep(RETRY_S)
        self.ended.set()
        self._pump.on_end(self.resource)

    def _copy(self) -> None:
        self._pump.flush(self)  # what a broken reading left in the buffer counts as copied
        last = self._pump.store.last_log_time(self.resource, self.replica)
        for when, text in unique_times(self._pump.engine.follow_logs(self.container)):
            if self.is_full:
                return
            if last is None or when > last:
                self._put(when, text)

    def _put(self, when: datetime, text: str) -> None:
        while self.characters > BUFFERED_CHARACTERS and not self._pump.closed:
            time.sleep(FLUSH_S / 4)
        self.characters += len(text)
        self.lines.put((when, text))


class LogPump:
    """All tails, and the thread that writes their lines to the store.

    Args:
        on_end: called with the resource's name when one of its containers has ended.
    """

    def __init__(self, store: Store, engine: Engine, on_end: Callable[[str], None]) -> None:
        self.store, self.engine, self.on_end = store, engine, on_end
        self.closed = False
        self._tails: dict[str, _Tail] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        threading.Thread(target=self._run, daemon=True, name="log pump").start()

    def follow(self, resource: str, replica: str, container: str, running: bool = False) -> None:
        """Copy the container's lines; does nothing when that is under way, or done and it is not `running` again."""
        with self._lock:
            tail = self._tails.get(container)
            if tail is None or (running and tail.is_done and not tail.is_full):
                self._tails[container] = _Tail(self, resource, replica, container)

    def drain(self, resource: str, timeout_s: float) -> None:
        """Wait until every line of the resource's containers, which have ended, is in the store; then forget them."""
        with self._lock:
            names = [tail.container for tail in self._tails.values() if tail.resource == resource]
        for name in names:
            self.drain_container(name, timeout_s)

    def drain_container(self, container: str, timeout_s: float) -> None:
        """The same for one container."""
        with self._lock:
            tail = self._tails.get(container)
        if tail is None:
            return
        tail.ended.wait(timeout_s)
        self.flush(tail)
        with self._lock:
            self._tails.pop(container, None)

    def _run(self) -> None:
        while not self.closed:
            time.sleep(FLUSH_S)
            with self._lock:
                tails = list(self._tails.values())
            for tail in tails:
                try:
                    self.flush(tail)
                except StoreError as error:
                    LOG.warning("log of %s: %s", tail.container, error)

    def flush(self, tail: _Tail) -> None:
        """Write the lines that are buffered now. They leave the buffer only once they are in the store."""
        with self._writing:
            with tail.lines.mutex:
                entries = list(tail.lines.queue)
            if not entries or self.closed:
                return
            try:
                tail.is_full = not self.store.append_logs(tail.resource, tail.replica, entries)
            except NotFound:
                LOG.info("log of %s: %s is gone", tail.container, tail.resource)
                tail.is_full = True
            tail.characters = 0
            for _ in entries:
                tail.lines.get_nowait()

    def close(self) -> None:
        """Stop writing, for good once this returns: whoever leads next asks what is there, and copies the rest."""
        with self._writing:
            self.closed = True
