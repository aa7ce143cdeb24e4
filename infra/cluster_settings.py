"""`cairn:kubernetes`: which cluster a stack lives in, and how it is used. Read by settings.py, used by the backend."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from infra.reading import Section, listed, nearest, positive_share

KUBERNETES: Final = "kubernetes"  # the backend's name, and the setting's
ACCESS_MODES: Final = ("ReadWriteOnce", "ReadWriteMany")
NODE_PORT: Final = "NodePort"
LOAD_BALANCER: Final = "LoadBalancer"
CLUSTER_IP: Final = "ClusterIP"
EXPOSE: Final = (NODE_PORT, LOAD_BALANCER, CLUSTER_IP)
NODE_PORTS: Final = (30000, 32767)  # what clusters give out unless they are told otherwise
STATEFUL: Final = ("api", "database", "gateway", "object-store")
OBJECT_NAME: Final = r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?"
REGISTRY: Final = r"[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)*"
HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?"


@dataclass(frozen=True)
class Cluster:
    """A cluster and how the stack uses it.

    Attributes:
        registry: images are built on this machine's Docker engine and pushed there; the nodes pull from it.
        context: of the kubeconfig; "" is its current one.
        kubeconfig: its path, relative to the repository; "" is $KUBECONFIG, else ~/.kube/config.
        pull_secret: an existing Secret of the namespace with the registry's login.
        storage_class: "" is the cluster's default one.
        access_mode: of the object store's volume; with ReadWriteMany jobs with buckets run on any node.
        expose: how clients outside reach the published ports.
        host: where they reach node ports.
        seccomp_profile: on the nodes, the one that lets a container have /gcs; "" means that none has it.
        volumes: GiB of a service's volume where the default is wrong.
        cpu_requests: share of its machine type's cores that a job or model server reserves; below 1 they share cores.
        autoscaling: nodes come when they are needed, so today's say nothing about sizes.
    """

    registry: str
    context: str = ""
    kubeconfig: str = ""
    pull_secret: str = ""
    storage_class: str = ""
    access_mode: str = "ReadWriteOnce"
    expose: str = NODE_PORT
    host: str = "127.0.0.1"
    seccomp_profile: str = ""
    volumes: Mapping[str, int] = field(default_factory=dict)
    cpu_requests: float = 1.0
    autoscaling: bool = False


def read(top: Section, backend: str) -> Cluster | None:
    """The cluster of a stack on Kubernetes; the setting is refused on any other backend."""
    if backend != KUBERNETES:
        top.refuse(
            KUBERNETES, f"is for cairn:backend {KUBERNETES}, this stack's is {backend}; remove one or change the other"
        )
        return None
    section = top.section(KUBERNETES)
    cluster = Cluster(
        registry=section.text(
            "registry", pattern=REGISTRY, wanted='a registry without scheme, such as "127.0.0.1:5001/cairn"'
        ),
        context=section.text("context", ""),
        kubeconfig=section.text("kubeconfig", ""),
        pull_secret=section.text("pullSecret", "", OBJECT_NAME, "the name of a Secret"),
        storage_class=section.text("storageClass", "", OBJECT_NAME, "the name of a StorageClass"),
        access_mode=section.choice("accessMode", ACCESS_MODES, ACCESS_MODES[0]),
        expose=section.choice("expose", EXPOSE, NODE_PORT),
        host=section.text("host", "127.0.0.1", HOST, "a host name or an address"),
        seccomp_profile=section.text(
            "seccompProfile", "", r"[^/\s].*", "a path below the kubelet's folder of profiles"
        ),
        volumes=_volumes(section),
        cpu_requests=section.value("cpuRequests", "a number above 0, at most 1", positive_share, 1.0),
        autoscaling=section.flag("autoscaling", default=False),
    )
    section.close()
    return cluster


def _volumes(section: Section) -> dict[str, int]:
    """GiB by service."""
    empty: Mapping[str, Any] = {}
    volumes = section.section("volumes", empty)
    found = volumes.sizes_gib()
    for name in found:
        if name not in STATEFUL:
            section.problems.append(
                f"{volumes.key(name)} is not a service with a volume; "
                f"allowed: {listed(STATEFUL)}{nearest(name, STATEFUL)}"
            )
    return found


def check_ports(ports: Mapping[str, int], cluster: Cluster | None) -> list[str]:
    """Node ports must be some that clusters give out."""
    low, high = NODE_PORTS
    if cluster is None or cluster.expose != NODE_PORT:
        return []
    return [
        f"cairn:ports.{name} is {port}; as cairn:kubernetes.expose is {NODE_PORT}, it must be from {low} to {high}"
        for name, port in ports.items()
        if not low <= port <= high
    ]
