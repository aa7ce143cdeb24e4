"""The primitives that kinds are written over, and what a backend promises.

A kind makes specs (pure), hands them to a `Backend`, and never asks which one it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import pulumi

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans.container import Group, Mount, Probe, Resources
from workloads.tokens import FILE_PEOPLE

CAPABILITY_ENGINE_ACCESS: Final = "engine-access"  # a service may start containers itself
CAPABILITY_GPUS: Final = "gpus"  # containers may ask for GPUs
REREAD: Final = frozenset({contract.SECRET_SIGNING_KEY, FILE_PEOPLE})


class UnmetWish(Exception):
    """The backend lacks a capability that a spec needs; raised in previews already. The text says what to do."""


def service_probe(port: int, path: str = "") -> Probe:
    """The probe of a service of the platform; how often Docker looks is its backend's business (`healthcheck`)."""
    return Probe(port, path, period_s=5.0)


@dataclass(frozen=True)
class ImageSpec:
    """An image built from this repository.

    Attributes:
        name: short name ("api"); the tag is content-addressed: <backend's prefix>/<name>:<hash of the sources>.
        dockerfile: path of the Dockerfile, from the repository's root.
        sources: files and folders that the build sees, from the root; a change of any of them makes a new tag.
        args: build arguments that are not secret; BASE_IMAGE is added by the backend.
    """

    name: str
    dockerfile: str
    sources: tuple[str, ...]
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeSpec:
    """Storage that outlives the containers; removed with the stack.

    Attributes:
        size_gib: what is asked for where storage is given out by size; a Docker volume takes what the disk has.
    """

    name: str
    size_gib: int = 1


@dataclass(frozen=True)
class PortSpec:
    """A port of a service; with `publish` clients outside the stack reach it too: `Running` says where."""

    port: int
    publish: int | None = None


@dataclass(frozen=True)
class ServiceSpec:
    """A container that is always there. Its `name` is its host name on the stack's networks.

    Attributes:
        secrets: file name under contract.SECRETS_DIR → content; never in env. A change makes the container anew, but
            of those in REREAD, which services look at while they run.
        mounts: a mount's `volume` is the name of a VolumeSpec of the same component.
        networks: contract.NETWORK_* names.
        engine_access: may talk to the engine (the Docker socket, the Kubernetes API): the job runner only.
        stop_grace_s: time between the polite and the hard stop.
    """

    name: str
    kind: str
    image: pulumi.Input[str]
    resources: Resources
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    secrets: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    ports: tuple[PortSpec, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[str, ...] = (contract.NETWORK_PLATFORM,)
    probe: Probe | None = None
    user: str = contract.RUN_AS
    read_only_root: bool = True
    tmpfs: Mapping[str, int] = field(default_factory=lambda: {"/tmp": 64})  # noqa: S108  path → MiB
    labels: Mapping[str, str] = field(default_factory=dict)
    engine_access: bool = False
    stop_grace_s: int = 10


@dataclass(frozen=True)
class Running:
    """A service that was started.

    Attributes:
        resource: there once the service is healthy.
        published: port of the service → its address for clients outside, for those ports that are published.
    """

    resource: pulumi.Resource
    published: Mapping[int, pulumi.Input[str]] = field(default_factory=dict)

    def after(self, value: pulumi.Input[Any]) -> pulumi.Output[Any]:
        """The value, once the service is there and healthy: whoever uses it starts after the service."""
        return pulumi.Output.all(value, self.resource.urn).apply(lambda both: both[0])

    def address(self, port: int) -> pulumi.Output[str]:
        """Where clients outside reach the port, once it answers; "" when it is not published."""
        return self.after(self.published.get(port, ""))


class Backend(Protocol):
    """HOW the primitives become real. Every method is called inside a component, with the child's options.

    Attributes:
        hosts: names under which clients outside reach published ports, "*" when only the engine will know.
    """

    name: str
    capabilities: frozenset[str]
    hosts: tuple[str, ...]

    def image(self, spec: ImageSpec, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """The image's pinned reference; built when its sources changed."""

    def volume(self, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The volume."""

    def volume_name(self, name: str) -> str:
        """The backend's name of a VolumeSpec's volume."""

    def password(self, name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """A random secret, made once and kept encrypted in the state."""

    def service(self, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> Running:
        """The running, healthy service."""

    def configure(self, config: PlatformConfig) -> PlatformConfig:
        """What API and controllers are told, with what only the backend knows: its engine and that one's names."""

    def workload(
        self,
        group: Group,
        image: pulumi.Input[str],
        files: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> list[pulumi.Resource]:
        """Containers planned by workloads.plans, the same plan that the controllers carry out; not waited for.

        The plan's image and files are given once more: an image may not be built yet, and a file's token not be made.
        The plan's mounts name volumes as `volume_name` does.
        """
