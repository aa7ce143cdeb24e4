"""What Kubernetes tells of a pod, in the protocol's terms. Pure: every case can be tested."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from workloads.plans.pods import Json

KILLED: Final = 137  # which the controllers take for the infrastructure's fault
STOPPED: Final = 143
NOT_FOUND: Final = 127
NOT_RUNNABLE: Final = 126
OVERDUE: Final = timedelta(seconds=60)  # after a deleted pod should have ended, its node is taken for lost
PULL_PATIENCE: Final = timedelta(minutes=5)
# In what the kubelet says of a pod that wrote too much: of the whole pod, which it looks at first, and of a container.
OWN_DISK: Final = ("ephemeral local storage usage exceeds", "local ephemeral storage limit")
STARTING: Final = frozenset({"ContainerCreating", "PodInitializing", ""})
START_ERRORS: Final = frozenset({"StartError", "ContainerCannotRun"})
NEVER: Final = frozenset({"InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError"})
PULLING: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"})
# What a registry says when asking again is of no use.
NO_IMAGE: Final = ("not found", "manifest unknown", "name unknown", "denied", "unauthorized", "forbidden")
NO_FILE: Final = ("executable file not found", "no such file or directory")


@dataclass(frozen=True)
class End:
    """How a pod's container has ended; `words` are the kubelet's, of one that could not even be started.

    Attributes:
        exceeded: what it was evicted for, when that is its own disk and not its node's trouble.
    """

    code: int
    out_of_memory: bool = False
    words: str = ""
    exceeded: str = ""


@dataclass(frozen=True)
class Trouble:
    """Why a pod does not start, and whether it never will."""

    words: str = ""
    fatal: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod of one container, read."""

    raw: Json = field(repr=False)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.raw["metadata"]["name"])

    @property
    def status(self) -> Json:
        """What its node says; {} before there is one."""
        found: Json = self.raw.get("status", {})
        return found

    @property
    def container(self) -> Json:
        """What the node says of the container."""
        found: list[Json] = self.status.get("containerStatuses") or [{}]
        return found[0]

    def _state(self, kind: str) -> Json | None:
        found: Json | None = self.container.get("state", {}).get(kind)
        return found

    @property
    def created(self) -> datetime:
        """When the API server took it, to the second."""
        return _time(self.raw["metadata"]["creationTimestamp"])

    @property
    def started(self) -> datetime | None:
        """When the container's last run began, to the second."""
        run = self._state("running") or self._state("terminated") or {}
        return _time(run["startedAt"]) if run.get("startedAt") else None

    @property
    def restarts_by_itself(self) -> bool:
        """Whether the kubelet starts the container again when it ends."""
        return bool(self.raw["spec"].get("restartPolicy") != "Never")

    @property
    def grace_s(self) -> int:
        """What it gets between SIGTERM and SIGKILL."""
        return int(self.raw["spec"]["terminationGracePeriodSeconds"])

    @property
    def is_over(self) -> bool:
        """Whether its phase is final."""
        return self.status.get("phase") in ("Succeeded", "Failed")

    @property
    def is_running(self) -> bool:
        """Whether the container runs, is between two runs, or has just ended (see `end`, which is asked first)."""
        if self._state("running") is not None or self._state("terminated") is not None:
            return True
        return self.restarts_by_itself and "terminated" in self.container.get("lastState", {})

    @property
    def is_ready(self) -> bool:
        """What its readiness probe says."""
        return self._condition("Ready").get("status") == "True" and not self.is_leaving

    @property
    def is_leaving(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.raw["metadata"]

    def is_overdue(self, now: datetime) -> bool:
        """Whether it should have been gone for so long that its node must be lost."""
        return self.is_leaving and now > _time(self.raw["metadata"]["deletionTimestamp"]) + OVERDUE

    def end(self, now: datetime) -> End | None:
        """How it has ended; None while it has not."""
        if self.is_overdue(now):
            return End(KILLED)
        ended = self._state("terminated")
        # Of a killed one the kubelet may learn a moment later that it was for memory; its pod's phase then is final.
        if not self.is_over and (ended is None or self.restarts_by_itself or ended["exitCode"] == KILLED):
            return None
        said = str(self.status.get("message", ""))
        if self.status.get("reason") == "Evicted" and any(each in said for each in OWN_DISK):
            return End(KILLED, exceeded=said.strip(" ."))
        if ended is None:  # evicted, refused by its node, or stopped before it could start
            return End(STOPPED if self.status.get("reason") == "DeadlineExceeded" else KILLED)
        return self._ended(ended)

    def _ended(self, ended: Json) -> End:
        reason, code, words = ended.get("reason", ""), int(ended["exitCode"]), str(ended.get("message", ""))
        if reason in START_ERRORS:
            return End(NOT_FOUND if any(each in words for each in NO_FILE) else NOT_RUNNABLE, words=words)
        if reason == "OOMKilled":
            return End(KILLED, out_of_memory=True)
        if self._is_disrupted(ended):
            return End(KILLED)
        return End(code)

    def _is_disrupted(self, ended: Json) -> bool:
        """Whether somebody ended it: its exit code then is what the program made of that, not its own doing."""
        if self._condition("DisruptionTarget").get("status") == "True" or self.status.get("reason") == "Evicted":
            return self.status.get("phase") != "Succeeded"
        metadata = self.raw["metadata"]
        if not self.is_leaving or not ended.get("finishedAt"):
            return False
        grace = timedelta(seconds=int(metadata.get("deletionGracePeriodSeconds") or 0))
        return _time(ended["finishedAt"]) >= _time(metadata["deletionTimestamp"]) - grace

    def trouble(self, event: str, now: datetime) -> Trouble:
        """Why it does not start.

        Args:
            event: the last warning about it, as "<reason>: <message>", or "".
        """
        waiting = self._state("waiting") or {}
        reason = str(waiting.get("reason", ""))
        if reason not in STARTING:
            words = f"{reason}: {waiting.get('message', '')}".rstrip(": ")
            return Trouble(words, reason in NEVER or (reason in PULLING and self._is_hopeless(words, now)))
        scheduled = self._condition("PodScheduled")
        if scheduled.get("status") == "False":
            return Trouble(f"{scheduled.get('reason', '')}: {scheduled.get('message', '')}".strip(": "))
        # What it waited for before it got its node is no trouble any more.
        return Trouble("" if scheduled and event.startswith("FailedScheduling") else event)

    def _is_hopeless(self, words: str, now: datetime) -> bool:
        began = self.status.get("startTime")
        return any(each in words.lower() for each in NO_IMAGE) or bool(began and now > _time(began) + PULL_PATIENCE)

    def _condition(self, kind: str) -> Json:
        found: list[Json] = self.status.get("conditions") or []
        return next((each for each in found if each["type"] == kind), {})


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
