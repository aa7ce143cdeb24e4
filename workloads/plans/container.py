"""What a plan asks an engine to run: one container, in terms that Docker and Kubernetes both have.

Made by the plans, carried out by the controllers' engines and, for what a stack declares, by infra's backends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from workloads import contract

NAME_PATTERN: Final = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")  # a DNS label, so Docker's and Kubernetes'


@dataclass(frozen=True)
class Mount:
    """A volume (or, with `subpath`, one folder of it) at `target` in the container."""

    volume: str
    target: str
    subpath: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Probe:
    """How to tell that a container answers: HTTP GET `path` is 200, or, without a path, the TCP port accepts."""

    port: int
    path: str = ""
    period_s: float = 1.0
    timeout_s: float = 10.0
    failures: int = 4


@dataclass(frozen=True)
class Resources:
    """Limits of one container; cores, MiB, GPUs and processes. Reserved as a whole while it runs."""

    cpu: float
    memory_mib: int
    gpus: int = 0
    gpu_type: str = ""
    pids: int = 1024


@dataclass(frozen=True)
class ContainerSpec:
    """One container.

    Attributes:
        name: unique in the stack and a DNS label; also its host name on its network.
        command: replaces the image's entrypoint when given, as Vertex' `command`.
        args: replaces the image's command when given, as Vertex' `args`.
        env: plain values only. Secrets go into `files`, which never show in `docker inspect`.
        files: path in the container → text, written before the start, readable by `user` only.
        network: one of contract.NETWORK_*.
        labels: beside those that the engine adds itself (stack, managed-by).
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
    user: str = contract.RUN_AS
    read_only_root: bool = False
    tmpfs: Mapping[str, int] = field(default_factory=lambda: {"/tmp": 512})  # noqa: S108  path → MiB
    labels: Mapping[str, str] = field(default_factory=dict)
    probe: Probe | None = None
    restart: Literal["never", "always"] = "never"
    stop_grace_s: int = 30

    def __post_init__(self) -> None:
        """Refuse a name that one of the engines would refuse later."""
        if not NAME_PATTERN.match(self.name):
            raise ValueError(f"container name {self.name!r} is not a DNS label (a-z, 0-9, '-', at most 63 characters)")
