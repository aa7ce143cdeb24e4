"""What the controllers ask of an engine. Implemented by docker.py, and by a fake in the tests.

EngineError
├── ImageMissing   the engine neither has the image nor can pull it
├── Refused        the engine will never run this container (bad command, bad mount, …)
└── Unavailable    the engine does not answer; the same call may succeed a little later
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from workloads.plans.container import Group

LogEntry = tuple[datetime, str]
LONGEST_LINE: Final = 256 * 1024  # characters; engines cut what is longer


class EngineError(Exception):
    """Any answer of an engine that is not a container."""


class ImageMissing(EngineError):
    """The image is not there and can't be pulled; the text has the engine's own words."""


class Refused(EngineError):
    """The engine will never run the container as it is described; the text has the engine's own words."""


class Unavailable(EngineError):
    """The engine does not answer now."""


@dataclass(frozen=True)
class Container:
    """A container as the engine sees it.

    Attributes:
        name: `container_name(group, index)`; a server's may be another where the engine replaces servers by itself.
        phase: "created" is not yet started.
        group: the name of its Group.
        exit_code: of the last run; None while running or created.
        out_of_memory: whether a process of it was killed for memory.
        exceeded: which other limit it was ended for, in the engine's words.
        restarts: how often the engine has restarted it by itself.
        address: its IP address on its network; "" unless running.
        ready: what the engine's own probe says; None: it does not probe, ask over the network.
        problem: why it does not start yet, in the engine's words (Unschedulable, ImagePullBackOff, …).
        created, started: when it was; None where that is not known, or not yet so.
        fatal: that it never will: the problem does not go away by waiting.
    """

    name: str
    phase: Literal["created", "running", "exited"]
    labels: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    exit_code: int | None = None
    out_of_memory: bool = False
    exceeded: str = ""
    restarts: int = 0
    address: str = ""
    ready: bool | None = None
    problem: str = ""
    fatal: bool = False
    created: datetime | None = None
    started: datetime | None = None


class Engine(Protocol):
    """Runs the groups of one stack. Every call may raise Unavailable.

    Attributes:
        supervises: it probes and restarts by itself the groups with restart="always".
    """

    supervises: bool

    def prepare(self) -> None:
        """Make ready what shortens starts, and drop what is left of it. The leader asks now and then; never waits."""

    def ensure_image(self, image: str) -> None:
        """Have the image, pulling it if need be; an engine whose nodes pull by themselves does nothing.

        Raises:
            ImageMissing: it can't be had.
        """

    def run(self, group: Group) -> None:
        """Create and start the group's containers, pulling their image if need be.

        Idempotent: those that have been started are left as they are.

        With restart="always", one that has ended is made again, and those beyond the number of replicas are removed.

        Raises:
            ImageMissing: its image can't be had.
            Refused: the engine won't have it.
        """

    def refresh(self, group: Group) -> None:
        """Replace the files of servers that go on: whoever starts again reads the new ones; fine if they are gone."""

    def renew(self, group: Group, index: int) -> bool:
        """Run one replica of a job's group once more, in place of what is left of it.

        False, with nothing done, where the engine can't without the group's others.

        Raises:
            ImageMissing, Refused: as `run`.
        """

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """The stack's containers that carry these labels; an empty value asks for any value.

        A group whose containers the engine has yet to make is there as containers that are "created".
        """

    def cpu_seconds(self, group: str) -> Mapping[str, float]:
        """CPU time of each running container of the group since its start; empty where the engine can't tell."""

    def follow_logs(self, container: str) -> Iterator[LogEntry]:
        """Every line from the container's first on, and new ones as they come, until it ends; nothing if it is gone."""

    def tail(self, container: str, lines: int) -> list[str]:
        """Its last lines; none if it is gone."""

    def written_mib(self, container: str) -> int | None:
        """How much it has written to its own disk, not to volumes. None: the engine looks after that, or it is gone."""

    def stop(self, group: str, grace_s: int) -> None:
        """Ask every container of the group to end, and end it after the grace; fine if it has ended or is gone.

        What they printed and how they ended can be asked until the group is removed.
        """

    def restart(self, container: str) -> None:
        """Stop it and start it again; fine if it is gone."""

    def remove(self, group: str) -> None:
        """Remove the group, running or not, with all that was made for it; returns once it is gone, fine if it was."""

    def tidy(self) -> None:
        """Mend what no group's own call does, such as networks; called with every sweep."""

    def watch(self, on_change: Callable[[str], None]) -> None:
        """From now on call with LABEL_RESOURCE of whatever changes, in a thread of the engine's own; returns at once.

        A hint, never the only source: changes while the engine was away may be missed.
        """
