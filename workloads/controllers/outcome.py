"""Looks at a job's containers and says how it stands: pure, so that every case can be tested. Used by jobs.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from workloads.controllers.engines.base import Container

KILLED: Final = (137, 143)  # by SIGKILL, by SIGTERM: an engine that shuts down, or a hand
CODE_CANCELLED: Final = 1
CODE_INVALID: Final = 3
CODE_DEADLINE: Final = 4
CODE_EXHAUSTED: Final = 8
CODE_ABORTED: Final = 10
CODE_INTERNAL: Final = 13


@dataclass(frozen=True)
class Verdict:
    """How a job stands.

    Attributes:
        kind: "running"; "succeeded"; "failed" by its own doing; "lost" by the infrastructure's.
        replica: the container that decided it.
        code, reason: for the job's error.
    """

    kind: Literal["running", "succeeded", "failed", "lost"]
    replica: str = ""
    code: int = 0
    reason: str = ""


def judge(names: Sequence[str], containers: Mapping[str, Container], memory_mib: Mapping[str, int]) -> Verdict:
    """The verdict over a job's containers.

    Args:
        names: of all its replicas, the primary first.
        memory_mib: each replica's limit.
    """
    verdicts = [_replica(name, containers.get(name), memory_mib[name]) for name in names]
    primary = verdicts[0]
    if primary.kind == "succeeded":
        return primary  # the others only served it
    for kind in ("failed", "lost"):
        found = next((verdict for verdict in verdicts if verdict.kind == kind), None)
        if found:
            return found
    return Verdict("running")


def _replica(name: str, container: Container | None, memory_mib: int) -> Verdict:
    if container is None:
        return Verdict("lost", name, CODE_ABORTED, f"container {name} has vanished from the engine")
    if container.fatal:
        return Verdict("failed", name, CODE_INVALID, f"can't be started: {container.problem}")
    if container.phase != "exited":
        return Verdict("running", name)
    return _ended(name, container, memory_mib)


def _ended(name: str, container: Container, memory_mib: int) -> Verdict:
    code = container.exit_code
    if code == 0:
        return Verdict("succeeded", name)
    if container.out_of_memory:
        text = f"ran out of memory (its limit is {memory_mib} MiB): choose a machine type with more memory"
        return Verdict("failed", name, CODE_EXHAUSTED, text)
    if code in KILLED:
        return Verdict("lost", name, CODE_ABORTED, f"container {name} was killed from outside (exit code {code})")
    return Verdict("failed", name, CODE_INVALID, f"exited with code {code}")
