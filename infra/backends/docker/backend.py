"""DockerBackend: the primitives over pulumi_docker. Each primitive has a module of its own; here they are joined.

Made by `infra/__main__.py`, or by anybody's Pulumi program that uses a kind on its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.backends import passwords
from infra.backends.base import (
    CAPABILITY_ENGINE_ACCESS,
    CAPABILITY_GPUS,
    ImageSpec,
    Running,
    ServiceSpec,
    UnmetWish,
    VolumeSpec,
)
from infra.backends.docker import network, planned, services, volumes
from infra.backends.docker.engine import Engine, inspect
from infra.backends.images import Images
from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans.container import ContainerSpec, Group, Mount

SUBPATHS_SINCE: Final = (1, 45)  # Docker 26 mounts a folder of a volume
BASE_IMAGE: Final = "cairn-base:latest"
REMEDIES: Final = {
    CAPABILITY_GPUS: "install the NVIDIA container toolkit on the engine's machine, or ask for no GPUs",
    CAPABILITY_ENGINE_ACCESS: "start Docker here, or point DOCKER_HOST at its unix:// socket",
}


class DockerBackend:
    """One stack on one Docker engine.

    Attributes:
        stack: its name is in every object's name and label.
        engine: what the engine said of itself, or None when it could not be asked.
    """

    name = "docker"
    hosts: tuple[str, ...] = (services.LOOPBACK, "localhost")

    def __init__(self, stack: str, base_image: str = BASE_IMAGE, engine: Engine | None = None) -> None:
        """Ask the engine what it can do (or take it from `engine`); nothing is made yet."""
        self.stack = stack
        self.engine = engine or inspect(stack)
        self.capabilities = _capabilities(self.engine)
        self._images = Images(base_image)
        self._networks: dict[str, docker.Network] = {}
        self._volumes: dict[str, docker.Volume] = {}

    def image(self, spec: ImageSpec, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """The content-addressed reference."""
        return self._images.get(spec, opts)

    def volume(self, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The volume."""
        self._volumes[spec.name] = volumes.create(self.stack, spec.name, opts)
        return self._volumes[spec.name]

    def password(self, name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """A random secret, encrypted in the state."""
        return pulumi.Output.secret(passwords.create(name, opts).result)

    def volume_name(self, name: str) -> str:
        """The engine's name of a volume."""
        return volumes.volume_name(self.stack, name)

    def service(self, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> Running:
        """The container, hardened, started and healthy."""
        if spec.engine_access:
            self._require(CAPABILITY_ENGINE_ACCESS, f"service {spec.name!r} talks to the engine")
        self._require_gpus(spec.name, spec.resources.gpus)
        joined = network.joined(spec)
        needed: list[pulumi.Resource] = [*self._join(joined), *self._mounted(spec.name, spec.mounts)]
        if spec.secrets:
            needed.append(volumes.create(self.stack, services.secrets_volume(spec.name), opts))
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=needed))
        return Running(services.create(self.stack, spec, self.engine, opts), services.addresses(spec.ports))

    def configure(self, config: PlatformConfig) -> PlatformConfig:
        """The engine's name of the workloads' network; every replica is a container with a name of its own."""
        name = contract.NETWORK_WORKLOADS
        return replace(config, engine="docker", networks={name: network.network_name(self.stack, name)})

    def workload(
        self,
        group: Group,
        image: pulumi.Input[str],
        files: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> list[pulumi.Resource]:
        """A container for each replica."""
        own = network.of_group(self.stack, group.name, opts)
        return [self._planned(spec, image, files, own, opts) for spec in group.containers()]

    def _planned(
        self,
        spec: ContainerSpec,
        image: pulumi.Input[str],
        files: Mapping[str, pulumi.Input[str]],
        own: docker.Network,
        opts: pulumi.ResourceOptions,
    ) -> pulumi.Resource:
        self._require_gpus(spec.name, spec.resources.gpus)
        needed: list[pulumi.Resource] = [own, *planned.file_volumes(self.stack, spec, opts)]
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=needed))
        return planned.create(self.stack, spec, image, files, self._mountpoints(), opts)

    def _mountpoints(self) -> dict[str, str]:
        """Where the stack's volumes are on the engine's disk; empty when the engine needn't be told.

        The place follows from the name, as the engine's own driver lays volumes out: so previews and policies know it.
        """
        if self.engine is None or self.engine.api >= SUBPATHS_SINCE:
            return {}
        names = [self.volume_name(name) for name in self._volumes]
        return {name: f"{self.engine.root}/volumes/{name}/_data" for name in names}

    def _join(self, names: Iterable[str]) -> list[docker.Network]:
        """The networks, made when a container first needs them."""
        for name in names:
            if name not in self._networks:
                self._networks[name] = network.create(self.stack, name)
        return [self._networks[name] for name in names]

    def _mounted(self, service: str, mounts: Iterable[Mount]) -> list[docker.Volume]:
        missing = [mount.volume for mount in mounts if mount.volume not in self._volumes]
        if missing:
            raise ValueError(f"service {service!r} mounts {', '.join(missing)}; make it with backend.volume() first")
        return [self._volumes[mount.volume] for mount in mounts]

    def _require_gpus(self, name: str, gpus: int) -> None:
        if gpus:
            self._require(CAPABILITY_GPUS, f"container {name!r} asks for {gpus} GPUs")

    def _require(self, capability: str, wish: str) -> None:
        if capability not in self.capabilities:
            raise UnmetWish(f"{wish}, but this Docker engine has no {capability}: {REMEDIES[capability]}")


def _capabilities(engine: Engine | None) -> frozenset[str]:
    if engine is None:
        return frozenset()
    return frozenset({CAPABILITY_ENGINE_ACCESS, CAPABILITY_GPUS} if engine.gpus else {CAPABILITY_ENGINE_ACCESS})
