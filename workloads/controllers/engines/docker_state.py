"""What Docker's inspect tells of a container, in the protocol's terms. Pure: every case can be tested."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from workloads.controllers.engines.base import Container
from workloads.controllers.engines.docker_options import parse_time
from workloads.plans.container import group_of

KILLED: Final = 137
UNKNOWN: Final = 255  # of what ended with its engine or machine: nobody was there to see how
BEGAN: Final = datetime.now(UTC)  # these controllers, which end with their engine
LATE: Final = timedelta(seconds=1)  # after a container's end, news of why


def phase(found: Mapping[str, Any]) -> Literal["created", "running", "exited"]:
    """Of one killed a moment ago the engine may yet learn that it was for memory: until then it is not over."""
    state = found["State"]
    if state["Status"] in ("running", "paused", "restarting"):
        return "running"
    if state["Status"] == "created":
        return "created"
    if state["ExitCode"] == KILLED and not state["OOMKilled"] and _is_fresh(state):
        return "running"
    return "exited"


def _is_fresh(state: Mapping[str, Any]) -> bool:
    return datetime.now(UTC) - parse_time(state["FinishedAt"]) < LATE


def _exit_code(state: Mapping[str, Any]) -> int:
    """A program's own; but 255 from before this process began is taken for the engine's word for what it can't know."""
    code = int(state["ExitCode"])
    return KILLED if code == UNKNOWN and parse_time(state["FinishedAt"]) < BEGAN else code


def container(found: Mapping[str, Any], prefix: str, address: Callable[[Mapping[str, Any], str], str]) -> Container:
    """The container; its name is without the stack's prefix.

    Args:
        address: the one that counts of a container's networks, given its group.
    """
    state, now = found["State"], phase(found)
    name = str(found["Name"]).lstrip("/").removeprefix(prefix)
    group = group_of(name)
    return Container(
        name=name,
        phase=now,
        labels=found["Config"]["Labels"] or {},
        group=group,
        exit_code=_exit_code(state) if now == "exited" else None,
        out_of_memory=bool(state["OOMKilled"]),
        restarts=int(found.get("RestartCount", 0)),
        address=address(found["NetworkSettings"]["Networks"], group) if now == "running" else "",
        created=parse_time(found["Created"]),
        started=parse_time(state["StartedAt"]) if now != "created" else None,
    )
