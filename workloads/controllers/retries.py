"""What follows when the infrastructure has ended a job's replica: as often as Vertex does, and as the job wishes.

A replica is restarted beside the others; after that was done often enough, the whole job begins again. Used by jobs.py.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from workloads.controllers import metering
from workloads.controllers.job_containers import JobContainers
from workloads.controllers.outcome import Verdict
from workloads.controllers.platform import Json, Platform
from workloads.plans.container import Group, group_of
from workloads.store import Resource

LOG: Final = logging.getLogger(__name__)
RESTARTS: Final = 5  # of each replica
RETRIES: Final = 3  # of the whole job
PENDING: Final = "JOB_STATE_PENDING"
RUNNING: Final = "JOB_STATE_RUNNING"
Plan = Callable[[Resource, int], Sequence[Group]]  # the groups of an attempt


class Retries:
    """Restarts and retries of one kind of job."""

    def __init__(self, platform: Platform, plan: Plan, containers: JobContainers) -> None:
        self._platform, self._plan, self._containers = platform, plan, containers

    def after(self, row: Resource, lost: Verdict, wishes: Mapping[str, Any]) -> Resource | str:
        """The row as it is once something is done about a lost replica; or why nothing more is.

        Args:
            wishes: Vertex' Scheduling message.

        Raises:
            InvalidWish, ImageMissing, Refused: the replica can't be restarted.
        """
        attempt = int(row.status.get("attempt", 0))
        if wishes.get("disableRetries"):
            return f"{lost.reason}, and scheduling.disableRetries is set"
        restarts = int(row.status.get("restarts", {}).get(lost.replica, 0))
        if not wishes.get("restartJobOnWorkerRestart") and restarts < RESTARTS:
            return self._restart(row, lost, attempt)
        return self._retry(row, lost, attempt)

    def _restart(self, row: Resource, lost: Verdict, attempt: int) -> Resource | str:
        """Counted before it is done: a kill in between costs one of the restarts."""
        name = lost.replica

        def count(message: Json, status: Json) -> None:
            if message["state"] == RUNNING:
                restarts = status.setdefault("restarts", {})
                restarts[name] = restarts.get(name, 0) + 1
                status["last_error"] = lost.reason

        row = self._platform.store.update(row.name, count)
        if row.state != RUNNING:
            return row
        LOG.warning("%s: %s; it is restarted", row.name, lost.reason)
        self._containers.forget(name)
        groups = {group.name: group for group in self._plan(row, attempt)}
        if self._platform.engine.renew(groups[group_of(name)], int(name.rpartition("-")[2])):
            return row
        return self._retry(row, lost, attempt)

    def _retry(self, row: Resource, lost: Verdict, attempt: int) -> Resource | str:
        """All replicas."""
        if attempt >= RETRIES:
            return f"Attempt {attempt + 1} was the last: {lost.reason}"
        LOG.warning("%s: %s; attempt %d follows", row.name, lost.reason, attempt + 2)
        spent = metering.used(row, self._platform.now(), self._platform.config.currency)

        def again(message: Json, status: Json) -> None:
            if message["state"] == RUNNING and int(status.get("attempt", 0)) == attempt:
                message["state"] = PENDING
                status.update(attempt=attempt + 1, earlier_usage=spent, usage=spent, last_error=lost.reason)
                for key in ("running_since", "restarts"):
                    status.pop(key, None)

        return self._platform.store.update(row.name, again)
