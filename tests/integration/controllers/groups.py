"""What tests of engines do with groups, on whichever engine they are."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from workloads import contract
from workloads.controllers.engines.base import Container, Engine
from workloads.plans.container import INDEX, ContainerSpec, Group, Resources, container_name

RESOURCE: Final = "projects/p/locations/l/customJobs/1"
LABELS: Final = {contract.LABEL_RESOURCE: RESOURCE, contract.LABEL_ATTEMPT: "0"}
NUMBERED: Final = {**LABELS, contract.LABEL_REPLICA: f"0-{INDEX}"}


class Site(Protocol):
    """Where a test's containers run.

    Attributes:
        image: Python and nothing else.
        volume: a volume, whose folders are buckets once they are in `buckets`.
        maker: a user who may make folders in it.
        domain: what comes after a container's name in its host's.
    """

    stack: str
    image: str
    volume: str
    maker: str
    domain: str
    buckets: set[str]

    @property
    def engine(self) -> Engine:
        """The engine."""


def spec(site: Site, code: str, name: str = "one", memory_mib: int = 128, **more: Any) -> ContainerSpec:
    """The template of a group that runs this Python code."""
    wanted: Mapping[str, Any] = {"command": ("python3", "-c", code), "labels": NUMBERED, **more}
    return ContainerSpec(name, site.image, Resources(0.2, memory_mib), **wanted)


def run(site: Site, one: ContainerSpec) -> None:
    """Run a group of one."""
    site.engine.run(Group(one))


def get(site: Site, group: str, index: int = 0) -> Container | None:
    """A container of the group, or None."""
    found = sorted((each for each in site.engine.find({}) if each.group == group), key=lambda each: each.name)
    return found[index] if index < len(found) else None


def until(site: Site, group: str, condition: Callable[[Container], bool], seconds: float = 60) -> Container:
    """The group's first container once the condition holds."""
    deadline = time.monotonic() + seconds
    while True:
        found = get(site, group)
        if found and condition(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def ended(found: Container) -> bool:
    """Whether it has ended."""
    return found.phase == "exited"


def started(found: Container) -> bool:
    """Whether it has started."""
    return found.phase != "created"


def running(found: Container) -> bool:
    """Whether it runs."""
    return found.phase == "running"


def printed(site: Site, group: str, index: int = 0) -> list[str]:
    """What a container has printed until it ends."""
    until(site, group, started)
    return [text for _, text in site.engine.follow_logs(container_name(group, index))]


def output(site: Site, one: ContainerSpec) -> str:
    """What a group of one prints until it ends."""
    run(site, one)
    return "\n".join(printed(site, one.name))
