"""pulumi_kubernetes' resources, read: which of them make pods, and what those pods take."""

import re
from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add
from typing import Any, Final

from policies.reading.quantities import GIB, MIB, number
from policies.reading.workloads import KUBERNETES, Container, Limits, Properties, Workload, known

PREFIX: Final = "kubernetes:"
COMPONENTS: Final = ("helm.sh", "kustomize", "yaml")  # of pulumi_kubernetes, not of a cluster
GROUPS: Final = ("core", "apps", "batch", "extensions")
# Where a kind keeps its pod's template; the pod's metadata and spec lie in there.
TEMPLATES: Final[dict[str, tuple[str, ...]]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), ("spec", "template")
    ),
}
LASTING: Final = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController")
CONTAINER_LISTS: Final = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
}


def kind_of(resource_type: str) -> str:
    """The last word of the type, such as "Deployment" of kubernetes:apps/v1:Deployment; "" for other providers."""
    return resource_type.rpartition(":")[2] if resource_type.startswith(PREFIX) else ""


def group_of(resource_type: str) -> str:
    """The type's API group, such as "apps" of kubernetes:apps/v1:Deployment."""
    return re.split("[/:]", resource_type.removeprefix(PREFIX))[0]


def is_a(resource_type: str, group: str, *kinds: str) -> bool:
    """Whether it is one of these kinds of that API group, in any version."""
    return group_of(resource_type) == group and kind_of(resource_type) in kinds


def is_workload(resource_type: str) -> bool:
    """Whether it makes pods."""
    return kind_of(resource_type) in TEMPLATES and group_of(resource_type) in GROUPS


def metadata_of(props: Properties) -> Properties:
    """A resource's metadata."""
    return props.get("metadata") or {}


def labels_of(props: Properties) -> dict[str, str]:
    """A resource's labels."""
    return known(metadata_of(props).get("labels"))


def annotations_of(props: Properties) -> dict[str, str]:
    """A resource's annotations."""
    return known(metadata_of(props).get("annotations"))


def namespace_of(props: Properties) -> str:
    """The namespace that the resource names."""
    return str(metadata_of(props).get("namespace") or "default")


def section(props: Properties, *path: str) -> Any:
    """What lies at the path; {} where a part of it is missing."""
    return reduce(lambda place, name: place.get(name) or {}, path, props)


def pod_template(resource_type: str, props: Properties) -> Properties:
    """The pod that the resource makes: its metadata and spec."""
    found: Properties = section(props, *TEMPLATES[kind_of(resource_type)])
    return found


def workload(resource_type: str, props: Properties) -> Workload:
    """The pods of a resource for which `is_workload` holds."""
    template = pod_template(resource_type, props)
    spec = section(template, "spec")
    containers = tuple(_containers(spec))
    claims = section(props, "spec").get("volumeClaimTemplates") or ()
    storage = sum(claimed_gib(each) for each in (*claims, *_ephemeral_claims(spec)))
    return Workload(
        backend=KUBERNETES,
        spec=spec,
        labels=labels_of(template),
        annotations=annotations_of(template),
        containers=containers,
        lasting=kind_of(resource_type) in LASTING,
        takes=_takes(containers) + Limits(storage_gib=storage),
        replicas=_replicas(kind_of(resource_type), props),
    )


def claimed_gib(claim: Properties) -> float:
    """What a PersistentVolumeClaim asks for."""
    return number(section(claim, "spec", "resources", "requests").get("storage")) / GIB


def limits_of(container: Properties, which: str = "limits") -> Limits:
    """A container's limits, or its requests."""
    values = section(container, "resources", which)
    return Limits(
        cpu=number(values.get("cpu")),
        memory_mib=number(values.get("memory")) / MIB,
        gpus=sum(int(number(values[name])) for name in values if is_device(name)),
    )


def is_device(resource: str) -> bool:
    """Whether it is an extended resource: nvidia.com/gpu, amd.com/gpu and the like."""
    domain, slash, _ = resource.partition("/")
    return bool(slash) and domain != "kubernetes.io" and not domain.endswith(".kubernetes.io")


def _containers(spec: Properties) -> Iterator[Container]:
    for name, word in CONTAINER_LISTS.items():
        for each in spec.get(name) or ():
            yield Container(
                place=f'{word} "{each.get("name", "")}" ',
                props=each,
                image=str(each.get("image") or ""),
                environment={var["name"]: str(known(var).get("value") or "") for var in each.get("env") or ()},
                arguments=[str(word) for word in (*(each.get("command") or ()), *(each.get("args") or ()))],
                read_only_root=section(each, "securityContext").get("readOnlyRootFilesystem") is True,
                limits=limits_of(each),
                starts_only=name != "containers" and each.get("restartPolicy") != "Always",
            )


def _takes(containers: Iterable[Container]) -> Limits:
    """As the scheduler counts: what runs side by side, or the largest of those that run before, if that is more."""
    found = list(containers)
    lasting = reduce(add, (each.limits for each in found if not each.starts_only), Limits())
    first = [each.limits for each in found if each.starts_only]
    return Limits(
        cpu=max([lasting.cpu, *(each.cpu for each in first)]),
        memory_mib=max([lasting.memory_mib, *(each.memory_mib for each in first)]),
        gpus=max([lasting.gpus, *(each.gpus for each in first)]),
    )


def _ephemeral_claims(spec: Properties) -> list[Properties]:
    return [
        section(each, "ephemeral", "volumeClaimTemplate") for each in spec.get("volumes") or () if each.get("ephemeral")
    ]


def _replicas(kind: str, props: Properties) -> int:
    """Pods at once. A DaemonSet's depend on the nodes, which no manifest tells: counted as one."""
    spec = section(props, "spec", "jobTemplate", "spec") if kind == "CronJob" else section(props, "spec")
    wanted = spec.get("parallelism" if kind in ("Job", "CronJob") else "replicas")
    return 1 if wanted is None or kind in ("Pod", "PodTemplate", "DaemonSet") else int(wanted)
