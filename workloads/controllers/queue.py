"""Who may start: jobs in the order in which they came, as far as the stack's capacity reaches. Called by the loop."""

import heapq
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from workloads.controllers import jobs, outcome
from workloads.controllers.platform import Json, Platform, duration_s, error, timestamp
from workloads.plans import machines
from workloads.plans.errors import InvalidWish
from workloads.plans.machines import Demand
from workloads.store import Resource

FLEX_START_WAIT_S: Final = 24 * 3600.0
BEHIND: Final = "earlier jobs wait for room"
PAGE: Final = 64
Wish = tuple[Demand, float]  # what a job wants, and its price per hour
LOG: Final = logging.getLogger(__name__)


def _reserved(rows: Sequence[Resource]) -> Demand:
    noted = [row.status.get("reserved") for row in rows]
    return sum((Demand.from_json(each) for each in noted if each), Demand())


class Queue:
    """Hands out capacity. What is reserved stands in the rows: `status.reserved` of jobs and endpoints."""

    def __init__(self, platform: Platform, kinds: Sequence[jobs.JobKind]) -> None:
        self._platform = platform
        self._kinds = {kind.collection: kind for kind in kinds}
        self._wishes: dict[str, Wish] = {}  # of jobs that wait
        self.lock = threading.RLock()  # whoever reserves looks and writes under it

    def used(self, besides: str = "") -> Demand:
        """What jobs and deployed models hold now, without those of the endpoint `besides`."""
        rows = [row for kind in self._kinds for row in self._platform.store.list(kind, states=jobs.HOLDING)]
        return _reserved(rows) + self._used_by_models(besides)

    def _used_by_models(self, besides: str = "") -> Demand:
        return _reserved([row for row in self._platform.store.list("endpoints") if row.name != besides])

    def admit(self) -> None:
        """Let the first ones in the queue start while there is room; tell the first one that has none why.

        What stands behind that one is not even read, so the work does not grow with the queue.
        """
        with self.lock:
            waiting = self._waiting()
            first = next(waiting, None)
            if first is None:
                return
            used, by_models = self.used(), self._used_by_models()
            for row in itertools.chain([first], waiting):
                wish = self._look(row)
                if wish is None:
                    continue
                wanted, price = wish
                lack = machines.shortage(wanted, used, self._platform.config)
                if not lack:
                    used += wanted
                    self._claim(row, wanted, price)
                    continue
                self._wait(row, lack)
                # Deployed models stay, perhaps for ever: a job that waits for them holds up nobody.
                if not machines.shortage(wanted, by_models, self._platform.config):
                    return

    def _waiting(self) -> Iterator[Resource]:
        """Waiting jobs of all kinds, oldest first, read as far as somebody asks."""
        return heapq.merge(*map(self._waiting_of, self._kinds), key=lambda row: (row.create_time, row.name))

    def _waiting_of(self, collection: str) -> Iterator[Resource]:
        after = None
        while rows := self._platform.store.oldest(collection, jobs.QUEUED, PAGE, after):
            yield from rows
            after = (rows[-1].create_time, rows[-1].name)

    def expire(self) -> None:
        """End the FLEX_START jobs that have waited too long, wherever in the queue. A chore of every sweep."""
        for row in self._waiting():
            self._expire(row, BEHIND)

    def _look(self, row: Resource) -> Wish | None:
        """What the job wants; None when it can't be told now, which must not hold up the others, or never."""
        try:
            wish = self._wanted(row)
            machines.require_possible(wish[0], self._platform.config)
        except InvalidWish as wrong:
            self._fail(row, error(outcome.CODE_INVALID, f"The job can't be started: {wrong}"))
        except Exception as trouble:  # noqa: BLE001  whatever it is, the other jobs go on
            LOG.warning("%s: %s", row.name, trouble)
            self._note(row, f"can't be looked at now: {trouble}")
        else:
            return wish
        return None

    def _wanted(self, row: Resource) -> Wish:
        """Looked up once: for a batch prediction it takes a question to the registry."""
        if row.name not in self._wishes:
            kind = self._kinds[row.collection]
            self._wishes[row.name] = machines.demand(kind.limits(row.message)), kind.price_per_hour(row.message)
        return self._wishes[row.name]

    def _claim(self, row: Resource, wanted: Demand, price: float) -> None:
        now = timestamp(self._platform.now())

        def claim(message: Json, status: Json) -> None:
            if message["state"] == jobs.QUEUED:
                message["state"] = jobs.PENDING
                status.pop("reason", None)
                status.update(reserved=wanted.to_json(), price_per_hour=price, claimed_at=now)

        self._wishes.pop(row.name, None)
        self._platform.store.update(row.name, claim)

    def _wait(self, row: Resource, reason: str) -> None:
        if not self._expire(row, reason):
            self._note(row, reason)

    def _expire(self, row: Resource, reason: str) -> bool:
        scheduling: Mapping[str, Any] = self._kinds[row.collection].scheduling(row.message)
        longest = duration_s(scheduling.get("maxWaitDuration"), FLEX_START_WAIT_S)
        waited = (self._platform.now() - row.create_time).total_seconds()
        is_late = scheduling.get("strategy") == "FLEX_START" and 0 < longest < waited
        if is_late:
            self._fail(row, error(outcome.CODE_DEADLINE, f"The job waited longer than maxWaitDuration: {reason}."))
        return is_late

    def _note(self, row: Resource, reason: str) -> None:
        if row.status.get("reason") == reason:
            return

        def note(message: Json, status: Json) -> None:
            if message["state"] == jobs.QUEUED:
                status["reason"] = reason

        self._platform.store.update(row.name, note)

    def _fail(self, row: Resource, status_message: Mapping[str, Any]) -> None:
        """Out of the queue, for the job's controller to finish."""
        now = timestamp(self._platform.now())

        def fail(message: Json, status: Json) -> None:
            if message["state"] == jobs.QUEUED:
                message["state"] = jobs.PENDING
                status["outcome"] = {"state": jobs.FAILED, "error": status_message, "end_time": now}

        self._wishes.pop(row.name, None)
        self._platform.store.update(row.name, fail)
