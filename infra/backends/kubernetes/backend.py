"""KubernetesBackend: the primitives over pulumi_kubernetes. Each has a module of its own; here they are joined.

Made by `infra/__main__.py`, or by anybody's Pulumi program that uses a kind on its own.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

import pulumi

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
from infra.backends.images import Images
from infra.backends.kubernetes import exposure, namespace, network, planned, services, volumes
from infra.backends.kubernetes.labels import namespace_name
from infra.backends.kubernetes.namespace import JOBS, SERVERS, Home, priority_name
from infra.cluster_settings import Cluster
from workloads import contract
from workloads.config import AcceleratorType, Capacity, ClusterConfig, PlatformConfig
from workloads.plans.container import Group, Mount
from workloads.plans.pods import REPLICA_DOMAIN

BASE_IMAGE: Final = "cairn-base:latest"


class KubernetesBackend:
    """One stack in one namespace.

    Attributes:
        stack: its name is in the namespace's and in every object's labels.
        cluster: where, and how it is used.
    """

    name = "kubernetes"
    capabilities = frozenset({CAPABILITY_ENGINE_ACCESS, CAPABILITY_GPUS})

    def __init__(
        self,
        stack: str,
        cluster: Cluster,
        base_image: str = BASE_IMAGE,
        capacity: Capacity | None = None,
        accelerators: Mapping[str, AcceleratorType] | None = None,
    ) -> None:
        """Nothing is made yet.

        Args:
            capacity: what jobs and model servers may use together; None is as much as the cluster has.
            accelerators: what their GPU types mean on the cluster.
        """
        self.stack = stack
        self.cluster = cluster
        self.hosts = exposure.hosts(stack, cluster)
        self._images = Images(base_image, cluster.registry, push=True)
        self._capacity = capacity
        self._accelerators = accelerators or {}
        self._made: Home | None = None
        self._policies: list[pulumi.Resource] = []
        self._volumes: dict[str, pulumi.Resource] = {}

    def image(self, spec: ImageSpec, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """The content-addressed reference, in the registry that the nodes pull from."""
        return self._images.get(spec, opts)

    def volume(self, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        """The claim."""
        self._volumes[spec.name] = volumes.create(self._home(), spec, opts)
        return self._volumes[spec.name]

    def volume_name(self, name: str) -> str:
        """The claim's name."""
        return name

    def password(self, name: str, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
        """A random secret, encrypted in the state."""
        return pulumi.Output.secret(passwords.create(name, opts).result)

    def service(self, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> Running:
        """The pod, kept running and ready, and how it is reached."""
        self._require_gpus(spec)
        home = self._home()
        return services.create(home, spec, [*self._policies, *self._mounted(spec.name, spec.mounts)], opts)

    def configure(self, config: PlatformConfig) -> PlatformConfig:
        """The namespace and its names; buckets as folders only where a container with them can be kept from links."""
        return replace(
            config,
            engine="kubernetes",
            networks={contract.NETWORK_WORKLOADS: contract.NETWORK_WORKLOADS},
            object_store_volume=config.object_store_volume if self.cluster.seccomp_profile else "",
            replica_domain=REPLICA_DOMAIN,
            balanced=True,
            cluster=self._config(),
        )

    def workload(
        self,
        group: Group,
        image: pulumi.Input[str],
        files: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions,
    ) -> list[pulumi.Resource]:
        """A Deployment of the group's replicas behind a Service of its name."""
        return planned.create(self._home(), group, image, files, self._config(), self._accelerators, opts)

    def _home(self) -> Home:
        """The namespace and what it needs, made when something is first put there."""
        if self._made is None:
            self._made = namespace.create(self.stack, self.cluster, self._capacity, self._accelerators)
            self._policies = network.create(self._made)
        return self._made

    def _config(self) -> ClusterConfig:
        one_node = self.cluster.access_mode == "ReadWriteOnce"
        return ClusterConfig(
            namespace=namespace_name(self.stack),
            jobs_priority=priority_name(self.stack, JOBS),
            servers_priority=priority_name(self.stack, SERVERS),
            pull_secret=self.cluster.pull_secret,
            seccomp_profile=self.cluster.seccomp_profile,
            cpu_requests=self.cluster.cpu_requests,
            beside=contract.OBJECT_STORE_HOST if one_node else "",
        )

    def _mounted(self, service: str, mounts: Iterable[Mount]) -> list[pulumi.Resource]:
        missing = [mount.volume for mount in mounts if mount.volume not in self._volumes]
        if missing:
            raise ValueError(f"service {service!r} mounts {', '.join(missing)}; make it with backend.volume() first")
        return [self._volumes[mount.volume] for mount in mounts]

    def _require_gpus(self, spec: ServiceSpec) -> None:
        if spec.resources.gpus:
            raise UnmetWish(
                f"service {spec.name!r} asks for {spec.resources.gpus} GPUs, but services of the platform run without: "
                "jobs and model servers ask for them by their accelerator type"
            )
