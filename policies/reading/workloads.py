"""What both backends declare: workloads of like containers. A Docker container is a workload of one."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi_policy.proxy import UnknownValueError

from workloads import contract

DOCKER: Final = "docker"
KUBERNETES: Final = "kubernetes"

Properties = Mapping[str, Any]


def known(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """The entries whose values are known; the others a preview can't know, and `up` asks again when they are."""
    found = {}
    for name in values or {}:
        with suppress(UnknownValueError):
            found[name] = (values or {})[name]
    return found


@dataclass(frozen=True)
class Limits:
    """What one container, or one pod, may take at most; 0 where no limit is named."""

    cpu: float = 0.0
    memory_mib: float = 0.0
    gpus: int = 0
    storage_gib: float = 0.0

    def __add__(self, other: "Limits") -> "Limits":
        return Limits(
            self.cpu + other.cpu,
            self.memory_mib + other.memory_mib,
            self.gpus + other.gpus,
            self.storage_gib + other.storage_gib,
        )

    def __mul__(self, times: int) -> "Limits":
        return Limits(self.cpu * times, self.memory_mib * times, self.gpus * times, self.storage_gib * times)

    def at_least(self, other: "Limits") -> "Limits":
        """The larger of each two."""
        return Limits(
            max(self.cpu, other.cpu),
            max(self.memory_mib, other.memory_mib),
            max(self.gpus, other.gpus),
            max(self.storage_gib, other.storage_gib),
        )


@dataclass(frozen=True)
class Container:
    """One container in words that both backends have.

    Attributes:
        place: where to look for it, in front of a problem: 'container "main" '; "" when the resource is the container.
        props: its properties as the backend spells them.
        arguments: what it is started with: the entrypoint's words, then the command's.
        starts_only: it ends before the others start (a Kubernetes init container), or comes later, by hand.
    """

    place: str
    props: Properties
    image: str
    environment: Mapping[str, str]
    arguments: Sequence[str]
    read_only_root: bool
    limits: Limits
    starts_only: bool = False


@dataclass(frozen=True)
class Workload:
    """What a resource runs.

    Attributes:
        spec: the pod's spec, or the Docker container's properties.
        labels, annotations: of what runs (the pod's), not of what makes it.
        lasting: it is meant to run for ever, so something has to see whether it does.
        replicas: how many at once.
        takes: all that one replica may take.
    """

    backend: str
    spec: Properties
    labels: Mapping[str, str]
    containers: tuple[Container, ...]
    lasting: bool
    takes: Limits
    replicas: int = 1
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """What of the platform it is, such as "gateway" or "deployed_model"."""
        return self.labels.get(contract.LABEL_KIND, "")

    def noted(self, label: str) -> str:
        """A label's whole text; Kubernetes' labels are short, so a long one stands in an annotation."""
        return self.annotations.get(label) or self.labels.get(label, "")
