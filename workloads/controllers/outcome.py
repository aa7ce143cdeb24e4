"""Looks at a job's containers and says how it stands: pure, so that every case can be tested. Used by jobs.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from workloads.controllers.engines.base import Container
from workloads.controllers.platform import Json
from workloads.plans.container import Group, container_name

KILLED: Final = (137, 143)  # by SIGKILL, by SIGTERM: an engine that shuts down, or a hand
FORK_FAILURES: Final = (  # of Python, shells, Java, OpenMP
    "Resource temporarily unavailable", "can't start new thread", "annot fork", "unable to create native thread",
    "unable to create new native thread", "pthread_create failed", "Can't fork",
)  # fmt: skip
DISK_ADVICE: Final = " (diskSpec.bootDiskSizeGb, at most what the stack allows): write to /gcs/<bucket>, or less"
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


def replicas(groups: Sequence[Group]) -> list[Json]:
    """What a row's status notes of a job's replicas, the primary first: names and limits."""
    return [
        {
            "name": container_name(group.name, index),
            "memory_mib": group.template.resources.memory_mib,
            "disk_mib": group.template.resources.disk_mib,
            "pids": group.template.resources.pids,
        }
        for group in groups
        for index in range(group.replicas)
    ]


def judge(replicas: Sequence[Json], containers: Mapping[str, Container]) -> Verdict:
    """The verdict over a job's containers, of these replicas."""
    verdicts = [_replica(each["name"], containers.get(each["name"]), int(each["memory_mib"])) for each in replicas]
    primary = verdicts[0]
    if primary.kind == "succeeded":
        return primary  # the others only served it
    for kind in ("failed", "lost"):
        found = next((verdict for verdict in verdicts if verdict.kind == kind), None)
        if found:
            return found
    return Verdict("running")


def disk(replicas: Sequence[Json], written_mib: Mapping[str, int]) -> Verdict:
    """The verdict over what running containers have written."""
    for each in replicas:
        if written_mib.get(each["name"], 0) > int(each["disk_mib"]):
            text = f"has written {written_mib[each['name']]} MiB; its disk is {each['disk_mib']} MiB{DISK_ADVICE}"
            return Verdict("failed", each["name"], CODE_EXHAUSTED, text)
    return Verdict("running")


def pids(replicas: Sequence[Json]) -> int:
    """How many processes a replica may have; 0 where that was not noted."""
    return int(replicas[0].get("pids", 0))


def fork_failure(lines: Sequence[str], limit: int) -> str:
    """What to say of a program whose last lines tell that it could start no process or thread; else "".

    The engine tells nobody that a container has run into its limit of processes: the program is all that does.
    """
    if not any(sign in line for line in lines for sign in FORK_FAILURES):
        return ""
    many = f"its limit of {limit} processes and threads" if limit else "its limit of processes"
    return f" By its last lines it could start no more processes or threads: it has reached {many}."


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
    if container.exceeded:
        return Verdict("failed", name, CODE_EXHAUSTED, f"was ended: {container.exceeded}{DISK_ADVICE}")
    if code in KILLED:
        return Verdict("lost", name, CODE_ABORTED, f"container {name} was killed from outside (exit code {code})")
    return Verdict("failed", name, CODE_INVALID, f"exited with code {code}")
