"""What a resource type has to say: the interface between the protocol (servicer.py) and the types of each plugin."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from toolchain.plugins.common.table import Change, Problem, Table
from toolchain.plugins.common.values import Properties


class ProviderError(Exception):
    """What could not be done, in words for the user of `pulumi up`."""


class PartlyDoneError(Exception):
    """The resource exists but is not as it should be: the state keeps it, and the next `up` goes on with `update`."""

    def __init__(self, identifier: str, outputs: Properties, reason: str) -> None:
        super().__init__(reason)
        self.identifier = identifier
        self.outputs = outputs
        self.reason = reason


@dataclass(frozen=True)
class Call:
    """One request of the engine: whom it is about, how to report, and whether it was given up.

    `status` shows a passing line beside the resource; `log` and `warn` stay in the output. All have secrets taken out.
    """

    urn: str
    status: Callable[[str], None] = field(repr=False)
    log: Callable[[str], None] = field(repr=False)
    warn: Callable[[str], None] = field(repr=False)
    cancelled: threading.Event = field(repr=False)

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True)
class Created:
    """A resource that is there now."""

    identifier: str
    outputs: Properties


@dataclass(frozen=True)
class Found:
    """A resource as it was found: the inputs that would make it, and its outputs."""

    identifier: str
    inputs: Properties
    outputs: Properties


class Resource(ABC):
    """A resource type. Methods get and give plain values: secrets are unwrapped before and marked again after.

    Instances are shared by all threads and keep no state of their own.
    """

    token: str
    table: Table
    # Outputs beside the inputs: unknown in a preview.
    computed: tuple[str, ...] = ()
    # Those of them that an update may change.
    changing: frozenset[str] = frozenset()
    secret_outputs: frozenset[str] = frozenset()
    # The input that is made up from the resource's name when the program leaves it out.
    autonamed: str | None = None

    def prepare(self, inputs: Properties) -> Properties:
        """Fill in inputs that depend on the machine, when everything is known; called by Check."""
        return inputs

    def problems(self, inputs: Properties) -> list[Problem]:
        """What the table can't say about wrong inputs; called by Check."""
        return []

    def replaces(self, change: Change, old: Properties, new: Properties) -> bool:
        """Whether the change needs a new resource, where the table can't say it; called by Diff."""
        return change.replaces

    @abstractmethod
    def create(self, call: Call, inputs: Properties) -> Created:
        """Make the resource; what an interrupted earlier attempt left behind is taken over or removed first."""

    @abstractmethod
    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """Look the resource up; None when it is gone. Without `inputs` (import), find them all out.

        Outputs that are not given stay as the state has them.
        """

    @abstractmethod
    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Change the resource in place and answer its outputs; also called to finish what was partly done."""

    @abstractmethod
    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Remove the resource; succeeds when it is gone already."""
