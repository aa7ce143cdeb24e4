"""Runs the controllers: wakes a row's reconcile when the row or its containers change, and every few seconds anyway.

One leader at a time (a lock in PostgreSQL). A row is never reconciled twice at once. A row that fails waits a little
longer each time and never holds up the others.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from workloads.store import Json, Leadership, NotFound, Resource, Store, StoreError
from workloads.store.resource import collection_of

LOG: Final = logging.getLogger(__name__)
SWEEP_S: Final = 5.0
WORKERS: Final = 32  # a job that takes its whole grace to stop holds one
LONGEST_PAUSE_S: Final = 1.0  # a lost lead shows at the end of it
BACKOFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)


class Controller(Protocol):
    """Work on the rows of one collection."""

    collection: str
    states: Sequence[str] | None  # those in which a row needs work; None means in any

    def reconcile(self, row: Resource) -> float | None:
        """Bring the row as far as it goes now; returns in how many seconds to look again without being woken."""


class Loop:
    """Dispatches rows to their controllers.

    Args:
        turn_chores: done whenever something has happened (the queue).
        sweep_chores: done every few seconds (orphans, routes).
    """

    def __init__(
        self,
        store: Store,
        controllers: Sequence[Controller],
        turn_chores: Sequence[Callable[[], None]] = (),
        sweep_chores: Sequence[Callable[[], None]] = (),
        sweep_s: float = SWEEP_S,
    ) -> None:
        self._store = store
        self._controllers = {controller.collection: controller for controller in controllers}
        self._turn_chores, self._sweep_chores, self._sweep_s = turn_chores, sweep_chores, sweep_s
        self._woken: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._leads = threading.Event()
        self._lock = threading.Lock()
        self._busy: dict[str, bool] = {}  # being reconciled → woken meanwhile
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._swept = 0.0
        self.last_turn = time.monotonic()

    def wake(self, name: str) -> None:
        """Look at the row soon, while this process leads: before, nobody would; and the lead begins with a sweep."""
        if self._leads.is_set():
            self._woken.put(name)

    def run(self, leadership: Leadership, stop: threading.Event) -> None:
        """Work while this process leads and nobody asks to stop."""
        over, self._swept = threading.Event(), 0.0
        self._leads.set()
        listener = threading.Thread(target=self._listen, args=(over,), daemon=True, name="listener")
        listener.start()
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="reconcile") as pool:
            while not stop.is_set() and leadership.held():
                self._turn(pool)
            over.set()
        self._leads.clear()
        listener.join(10)

    def _turn(self, pool: ThreadPoolExecutor) -> None:
        self.last_turn = time.monotonic()
        names = self._take(self._pause())
        if sweep := self.last_turn - self._swept >= self._sweep_s:
            self._swept = self.last_turn
            self._attempt(*self._sweep_chores)
            self._attempt(lambda: names.update(self._active_names()))
        if names or sweep:
            self._attempt(*self._turn_chores)
        for name in names | self._take_due():
            self._dispatch(pool, name)

    def _pause(self) -> float:
        """How long to wait for a wake-up: until the next row is due, at most a second."""
        with self._lock:
            due = min((when for name, when in self._due.items() if name not in self._busy), default=float("inf"))
        return min(max(due - time.monotonic(), 0.01), LONGEST_PAUSE_S)

    def _attempt(self, *chores: Callable[[], None]) -> None:
        for chore in chores:
            try:
                chore()
            except Exception:
                LOG.exception("a chore failed; the next turn tries again")

    def _listen(self, over: threading.Event) -> None:
        while not over.is_set():
            for name in self._store.wait(0.5):
                self._woken.put(name)

    def _take(self, timeout: float) -> set[str]:
        names: set[str] = set()
        try:
            names.add(self._woken.get(timeout=timeout))
            while True:
                names.add(self._woken.get_nowait())
        except queue.Empty:
            return names

    def _active_names(self) -> set[str]:
        rows = [row for c in self._controllers.values() for row in self._store.list(c.collection, states=c.states)]
        return {row.name for row in rows}

    def _take_due(self) -> set[str]:
        now = time.monotonic()
        with self._lock:
            due = {name for name, when in self._due.items() if when <= now and name not in self._busy}
            for name in due:
                del self._due[name]
        return due

    def _dispatch(self, pool: ThreadPoolExecutor, name: str) -> None:
        if collection_of(name) not in self._controllers:
            return
        with self._lock:
            if name in self._busy:
                self._busy[name] = True
                return
            if self._failures.get(name) and self._due.get(name, 0.0) > time.monotonic():
                return  # it has just failed: not before its time
            self._busy[name] = False
        pool.submit(self._work, name)

    def _work(self, name: str) -> None:
        again: float | None = None
        try:
            again = self._controllers[collection_of(name)].reconcile(self._store.get(name))
            self._failures.pop(name, None)
        except NotFound:
            self._failures.pop(name, None)
        except Exception as error:  # noqa: BLE001  whatever it is, the other rows go on
            again = self._failed(name, error)
        with self._lock:
            woken = self._busy.pop(name)
            if again is None:
                self._due.pop(name, None)
            else:
                self._due[name] = time.monotonic() + again
        if woken:
            self.wake(name)

    def _failed(self, name: str, error: Exception) -> float:
        """Note the failure on the row, where `cairn status` finds it; returns when to try again."""
        count = self._failures.get(name, 0)
        self._failures[name] = count + 1
        LOG.warning("%s: %s", name, error, exc_info=error)
        text = f"{type(error).__name__}: {error}"

        def note(_: Json, status: Json) -> None:
            status["last_error"] = text

        try:
            self._store.update(name, note)
        except StoreError as worse:
            LOG.warning("%s: can't note the failure: %s", name, worse)
        return BACKOFF_S[min(count, len(BACKOFF_S) - 1)]
