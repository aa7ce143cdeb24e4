"""Which backend a resource is of, and so how to read it."""

from policies.reading import docker, kubernetes
from policies.reading.workloads import Properties, Workload


def workload(resource_type: str, props: Properties) -> Workload | None:
    """What the resource runs; None when it runs nothing."""
    if resource_type == docker.CONTAINER:
        return docker.workload(props)
    return kubernetes.workload(resource_type, props) if kubernetes.is_workload(resource_type) else None


def is_kubernetes(resource_type: str) -> bool:
    """Whether it is one object of a cluster: not a patch, not a list, not a component that has objects."""
    kind = kubernetes.kind_of(resource_type)
    component = kubernetes.group_of(resource_type) in kubernetes.COMPONENTS
    return bool(kind) and not component and not kind.endswith(("Patch", "List"))
