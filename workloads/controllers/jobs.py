"""The machinery of jobs, whatever they run: states, containers, retries, timeout, cancel, logs, usage.

custom_jobs.py and batch_prediction_jobs.py say what their jobs' containers are; this takes a row from PENDING to its
end. Each step is in the store before the next relies on it, so a controller that is killed anywhere goes on where it
was: a row's `status` has the attempt, what it reserves, and the outcome as soon as it is known.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from workloads.controllers import metering
from workloads.controllers import outcome as verdicts
from workloads.controllers.engines.base import Container, ImageMissing, Refused
from workloads.controllers.job_containers import JobContainers
from workloads.controllers.logs import LogPump
from workloads.controllers.platform import Json, Platform, duration_s, error, timestamp
from workloads.controllers.retries import Retries
from workloads.plans.container import Group, Resources, container_name
from workloads.plans.errors import InvalidWish
from workloads.store import Resource

QUEUED: Final = "JOB_STATE_QUEUED"
PENDING: Final = "JOB_STATE_PENDING"
RUNNING: Final = "JOB_STATE_RUNNING"
CANCELLING: Final = "JOB_STATE_CANCELLING"
SUCCEEDED: Final = "JOB_STATE_SUCCEEDED"
FAILED: Final = "JOB_STATE_FAILED"
CANCELLED: Final = "JOB_STATE_CANCELLED"
ACTIVE: Final = (QUEUED, PENDING, RUNNING, CANCELLING)
HOLDING: Final = (PENDING, RUNNING, CANCELLING)  # may hold capacity
DEFAULT_TIMEOUT_S: Final = 7 * 24 * 3600.0
TOKEN_MARGIN_S: Final = 24 * 3600.0
STARTING: Final = "its containers are being started"
STARTING_S: Final = 2.0  # between looks at containers that do not run yet, should the engine's word of them be missed
METER_S: Final = 15.0
LOOK_S: Final = 2.0  # between looks at what a running job has written


class JobKind(Protocol):
    """What differs between kinds of jobs."""

    collection: str
    meter_s: float  # how often usage and progress are noted

    def plan(self, row: Resource, attempt: int) -> list[Group]:
        """The groups of an attempt, the primary container's first."""

    def limits(self, message: Json) -> list[Resources]:
        """What each of their containers reserves."""

    def price_per_hour(self, message: Json) -> float:
        """The price of an hour of all of them."""

    def scheduling(self, message: Json) -> Mapping[str, Any]:
        """Vertex' Scheduling message; {} without one."""

    def progress(self, row: Resource) -> Json:
        """What the message says of a job that runs."""

    def result(self, row: Resource, state: str) -> Json:
        """What the message says of a job that has ended so; asked before its containers are removed."""


class JobController:
    """Reconciles rows of one kind of job."""

    def __init__(self, platform: Platform, kind: JobKind, logs: LogPump) -> None:
        self._platform, self._kind, self._containers = platform, kind, JobContainers(platform, logs)
        self._retries = Retries(platform, kind.plan, self._containers)
        self.collection = kind.collection
        self.states: Sequence[str] | None = HOLDING  # those that wait are the queue's business

    def reconcile(self, row: Resource) -> float | None:
        """Bring the row as far as it goes now; returns in how many seconds to look again without being woken."""
        if row.state not in ACTIVE:
            return None
        if row.status.get("outcome"):
            self._finish(row)
            return None
        if row.state == CANCELLING:
            return self._end(row, CANCELLED, error(verdicts.CODE_CANCELLED, "The job was cancelled."))
        if row.state == PENDING:
            return self._start(row)
        if row.state == RUNNING:
            return self._watch(row)
        return None  # QUEUED

    def _start(self, row: Resource) -> float | None:
        """PENDING → RUNNING: every container of the attempt is up, or one has ended already."""
        attempt = int(row.status.get("attempt", 0))
        if attempt:
            self._containers.remove(row, keep_attempt=attempt)
        try:
            groups = self._kind.plan(row, attempt)
            for group in groups:
                self._platform.engine.run(group)
        except (InvalidWish, ImageMissing, Refused) as wrong:
            return self._end(row, FAILED, error(verdicts.CODE_INVALID, f"The job can't be started: {wrong}"))
        found = self._containers.of(row)
        containers = found.values()
        if fatal := next((each for each in containers if each.fatal), None):
            return self._end(row, FAILED, error(verdicts.CODE_INVALID, f"The job can't be started: {fatal.problem}"))
        waiting = [each for each in containers if each.phase == "created"]
        if waiting and not any(each.phase == "exited" for each in containers):
            return self._wait(row, next((each.problem for each in waiting if each.problem), STARTING))
        return self._run(row, groups, found)

    def _wait(self, row: Resource, reason: str) -> float:
        """Stay PENDING until the engine has found room, pulled images, …; the row tells what is missing."""

        def note(message: Json, status: Json) -> None:
            if message["state"] == PENDING:
                status["reason"] = reason

        if row.status.get("reason") != reason:
            self._platform.store.update(row.name, note)
        return STARTING_S

    def _run(self, row: Resource, groups: Sequence[Group], found: Mapping[str, Container]) -> float | None:
        now = timestamp(self._platform.now())
        began = metering.began(found.get(container_name(groups[0].name, 0)))
        replicas = verdicts.replicas(groups)

        def started(message: Json, status: Json) -> None:
            if message["state"] == PENDING:
                message["state"] = RUNNING
                message.setdefault("startTime", now)
                status.update(running_since=now, replicas=replicas, container_at=began)
                status.pop("reason", None)

        return self.reconcile(self._platform.store.update(row.name, started))

    def _watch(self, row: Resource) -> float | None:
        """RUNNING: see whether it has ended, and keep its usage current."""
        containers = self._containers.of(row)
        replicas: list[Json] = row.status["replicas"]
        self._containers.follow(row, [containers[each["name"]] for each in replicas if each["name"] in containers])
        verdict = verdicts.judge(replicas, containers)
        if verdict.kind == "running":
            verdict = verdicts.disk(replicas, self._written(replicas, containers))
        if verdict.kind == "succeeded":
            return self._end(row, SUCCEEDED, None)
        if verdict.kind == "failed":
            return self._end(row, FAILED, error(verdict.code, self._failure(verdict, verdicts.pids(replicas))))
        if verdict.kind == "lost":
            return self._lost(row, verdict)
        return self._check_time(row)

    def _written(self, replicas: Sequence[Json], containers: Mapping[str, Container]) -> dict[str, int]:
        """How much those that run, and may not write for ever, have written by now: MiB."""
        limited = [each["name"] for each in replicas if each.get("disk_mib")]
        running = [name for name in limited if name in containers and containers[name].phase == "running"]
        sizes = {name: self._platform.engine.written_mib(name) for name in running}
        return {name: size for name, size in sizes.items() if size is not None}

    def _failure(self, verdict: verdicts.Verdict, pids: int) -> str:
        lines = self._containers.last_lines(verdict.replica)
        said = " Its last lines:\n" + "\n".join(lines) if lines else " It printed nothing."
        limit = verdicts.fork_failure(lines, pids) if verdict.code == verdicts.CODE_INVALID else ""
        return f"The replica in container {verdict.replica} {verdict.reason}.{limit}{said}"

    def _lost(self, row: Resource, verdict: verdicts.Verdict) -> float | None:
        """The infrastructure's fault: see retries.py."""
        try:
            after = self._retries.after(row, verdict, self._kind.scheduling(row.message))
        except (InvalidWish, ImageMissing, Refused) as wrong:
            return self._end(row, FAILED, error(verdicts.CODE_INVALID, f"A replica can't be restarted: {wrong}"))
        if isinstance(after, str):
            return self._end(row, FAILED, error(verdict.code, f"{after}."))
        return STARTING_S if after.state == RUNNING else self.reconcile(after)

    def _check_time(self, row: Resource) -> float | None:
        """Ends a job that has outlived its timeout; else tells when that will be."""
        now = self._platform.now()
        timeout = duration_s(self._kind.scheduling(row.message).get("timeout"), DEFAULT_TIMEOUT_S)
        left = timeout - (now - datetime.fromisoformat(row.message["startTime"])).total_seconds()
        if left <= 0:
            text = f"The job did not end within its timeout of {timeout:g} s (scheduling.timeout)."
            return self._end(row, FAILED, error(verdicts.CODE_DEADLINE, text))
        self._meter(row, now)
        return min(left, LOOK_S)

    def _meter(self, row: Resource, now: datetime) -> None:
        measured = row.status.get("metered_at")
        if measured and (now - datetime.fromisoformat(measured)).total_seconds() < self._kind.meter_s - 1:
            return
        usage = metering.used(row, now, self._platform.config.currency)
        progress = self._kind.progress(row)

        def note(message: Json, status: Json) -> None:
            status.update(usage=usage, metered_at=timestamp(now))
            if message["state"] == RUNNING:
                message.update(progress)

        self._platform.store.update(row.name, note)

    def _end(self, row: Resource, state: str, status_message: Mapping[str, Any] | None) -> float | None:
        """Write down how it ended before anything is undone: a controller that comes after finishes just that."""
        now = timestamp(self._platform.now())

        def decide(message: Json, status: Json) -> None:
            if message["state"] in ACTIVE and "outcome" not in status:
                cancelled = message["state"] == CANCELLING and state != CANCELLED
                if not cancelled:
                    status["outcome"] = {"state": state, "error": status_message, "end_time": now}

        return self.reconcile(self._platform.store.update(row.name, decide))

    def _finish(self, row: Resource) -> None:
        """Stop what still runs, keep logs and results, and only then tell the world."""
        ended = row.status["outcome"]
        containers = self._containers.of(row)
        self._containers.stop(containers.values())
        self._containers.follow(row, containers.values())
        self._containers.drain(row)
        end_time = datetime.fromisoformat(ended["end_time"])
        usage = metering.used(row, end_time, self._platform.config.currency)
        result = self._kind.result(row, ended["state"])

        def close(message: Json, status: Json) -> None:
            if message["state"] in ACTIVE:
                message.update(state=ended["state"], endTime=ended["end_time"], **result)
                if ended["error"]:
                    message["error"] = ended["error"]
                status["usage"] = usage
                for key in ("reserved", "reason"):
                    status.pop(key, None)

        self._platform.store.update(row.name, close)
        self._containers.remove(row, keep_attempt=None)
