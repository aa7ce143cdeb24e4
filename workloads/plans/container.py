"""What a plan asks an engine to run: groups of like containers, in terms that Docker and Kubernetes both have.

Made by the plans, carried out by the controllers' engines and, for what a stack declares, by infra's backends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from workloads import contract
from workloads.config import Toleration

NAME_PATTERN: Final = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")  # a DNS label, so Docker's and Kubernetes'
GROUP_NAME_LENGTH: Final = 57  # leaves a DNS label's 63 characters room for "-<index>"
# Stands for the replica's number in a template. With the NULs it is nothing that a user's variable may hold.
INDEX: Final = "\0index\0"


@dataclass(frozen=True)
class Mount:
    """A volume (or, with `subpath`, one folder of it) at `target` in the container."""

    volume: str
    target: str
    subpath: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Probe:
    """How to tell that a container answers: HTTP GET `path` is 200, or, without a path, the TCP port accepts.

    Attributes:
        failures: so many in a row mean that it doesn't.
        start_within_s: as long as that it may take until the port accepts first.
    """

    port: int
    path: str = ""
    period_s: float = 1.0
    timeout_s: float = 10.0
    failures: int = 4
    start_within_s: int = 600


@dataclass(frozen=True)
class Resources:
    """Limits of one container; cores, MiB, GPUs, processes, MiB of disk (0: none). All but the disk is reserved."""

    cpu: float
    memory_mib: int
    gpus: int = 0
    gpu_type: str = ""
    pids: int = 1024
    disk_mib: int = 0


@dataclass(frozen=True)
class Placement:
    """On which of a cluster's nodes a container may run; one engine on one machine has nothing to choose."""

    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True)
class ContainerSpec:
    """One container.

    Command, args and env are literal: plans expand Vertex' `$(NAME)`, so an engine that would do it again escapes it.

    Attributes:
        name: unique in the stack and a DNS label; also its host name on its network.
        command: replaces the image's entrypoint when given, as Vertex' `command`.
        args: replaces the image's command when given, as Vertex' `args`.
        env: plain values only. Secrets go into `files`, which never show in `docker inspect`.
        files: path in the container → text, written before the start, readable by `user` only.
        network: contract.NETWORK_WORKLOADS, or NETWORK_SERVERS, which a group shares with no other.
        calls: the group of model servers that it calls past the gateway, "" for none.
        egress: whether it has a way out of the stack.
        labels: beside those that the engine adds itself (stack, managed-by).
        alone: nobody calls it by its name, so its host may have any other.
        restart: "always" for servers; a job's containers are restarted by its controller, which counts.
    """

    name: str
    image: str
    resources: Resources
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    network: str = contract.NETWORK_WORKLOADS
    calls: str = ""
    egress: bool = False
    user: str = contract.RUN_AS
    read_only_root: bool = False
    tmpfs: Mapping[str, int] = field(default_factory=lambda: {"/tmp": 512})  # noqa: S108  path → MiB
    labels: Mapping[str, str] = field(default_factory=dict)
    probe: Probe | None = None
    restart: Literal["never", "always"] = "never"
    alone: bool = False
    stop_grace_s: int = 30
    placement: Placement = field(default_factory=Placement)

    def __post_init__(self) -> None:
        """Refuse a name that one of the engines would refuse later."""
        if not NAME_PATTERN.match(self.name):
            raise ValueError(f"container name {self.name!r} is not a DNS label (a-z, 0-9, '-', at most 63 characters)")


@dataclass(frozen=True)
class Group:
    """Containers that differ in nothing but their number: a pool of a job's workers, the servers of a deployed model.

    Attributes:
        template: of each container; its name is the group's, and INDEX stands for the number in values of env and
            labels.
        replicas: how many, at least 1.
    """

    template: ContainerSpec
    replicas: int = 1

    def __post_init__(self) -> None:
        """Refuse what an engine could not run."""
        if len(self.name) > GROUP_NAME_LENGTH:
            raise ValueError(f"group name {self.name!r} has more than {GROUP_NAME_LENGTH} characters")
        if self.replicas < 1:
            raise ValueError(f"group {self.name} has {self.replicas} replicas: it must have at least 1")

    @property
    def name(self) -> str:
        """The group's name."""
        return self.template.name

    def container(self, index: int) -> ContainerSpec:
        """The container with this number, from 0."""
        name = container_name(self.name, index)
        env, labels = _numbered(self.template.env, index), _numbered(self.template.labels, index)
        return replace(self.template, name=name, env=env, labels=labels)

    def containers(self) -> list[ContainerSpec]:
        """All of them, in order."""
        return [self.container(index) for index in range(self.replicas)]


def container_name(group: str, index: int) -> str:
    """The name of a group's container."""
    return f"{group}-{index}"


def group_of(name: str) -> str:
    """The reverse: the name of the group that a container of this name belongs to."""
    return name.rpartition("-")[0]


def _numbered(values: Mapping[str, str], index: int) -> dict[str, str]:
    return {key: value.replace(INDEX, str(index)) for key, value in values.items()}
