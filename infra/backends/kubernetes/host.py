"""Whether the cluster can carry the settings: its context, the size of its nodes, GPUs, storage, node ports."""

from collections.abc import Mapping

from infra.backends.kubernetes import kubeconfig
from infra.backends.kubernetes.backend import KubernetesBackend
from infra.backends.kubernetes.cluster import Known, Node, inspect
from infra.backends.kubernetes.kubeconfig import Kubeconfig
from infra.backends.kubernetes.services import CPU_SHARE
from infra.cluster_settings import NODE_PORT, Cluster
from infra.reading import listed, nearest
from infra.settings import Settings


def choose(stack: str, settings: Settings) -> tuple[KubernetesBackend, list[str]]:
    """The backend of a stack, and what its cluster lacks."""
    cluster = settings.kubernetes or Cluster("")  # the settings of this backend have one
    backend = KubernetesBackend(stack, cluster, settings.base_image, settings.capacity, settings.accelerators)
    return backend, _found(stack, settings, cluster)


def _found(stack: str, settings: Settings, cluster: Cluster) -> list[str]:
    try:
        config = kubeconfig.load(cluster.kubeconfig)
        context = cluster.context or config.current
        if context not in config.contexts:
            return [no_context(context, config)]
        access = config.access(context)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"cairn:kubernetes: the kubeconfig can't be read: {error}"]
    known = inspect(access, stack) if access else None
    return problems(settings, cluster, known) if known else []


def no_context(context: str, config: Kubeconfig) -> str:
    """What is wrong when there is no such context, or none at all."""
    where = ", ".join(str(path) for path in config.paths)
    if not context:
        return (
            f"no cluster is named: {where} has no current context; set cairn:kubernetes.context or KUBECONFIG, "
            "or `make cluster-up` for one on this machine"
        )
    return (
        f'cairn:kubernetes.context is "{context}", which {where} does not have; '
        f"there are: {listed(config.contexts)}{nearest(context, config.contexts)}"
    )


def problems(settings: Settings, cluster: Cluster, known: Known) -> list[str]:
    """Everything that the cluster lacks."""
    found = [*_storage(cluster, known.storage_classes), *_ports(settings, cluster, known.node_ports)]
    if known.nodes is None or cluster.autoscaling:
        return found
    size = _size(settings, known.nodes, cluster.cpu_requests)
    return [*found, *size, *_machines(settings, known.nodes, cluster.cpu_requests), *_gpus(settings, known.nodes)]


def _size(settings: Settings, nodes: tuple[Node, ...], share: float) -> list[str]:
    """What jobs and model servers may reserve, and beside them the platform itself."""
    cpu, memory = sum(node.cpu for node in nodes), sum(node.memory_mib for node in nodes)
    services, capacity, found = settings.resources.values(), settings.capacity, []
    own_cpu = sum(each.cpu for each in services) * CPU_SHARE
    own_memory = sum(each.memory_mib for each in services)
    if capacity.cpu * share + own_cpu > cpu:
        found.append(
            f"cairn:capacity.cpu is {capacity.cpu:g}, of which jobs and model servers reserve {capacity.cpu * share:g} "
            f"cores and the platform {own_cpu:g} more; the cluster's nodes give pods {cpu:g}: lower it, "
            "or cairn:kubernetes.cpuRequests"
        )
    if capacity.memory_mib + own_memory > memory:
        found.append(
            f"cairn:capacity.memory is {capacity.memory_mib} MiB, and the platform takes {own_memory} MiB; "
            f"the cluster's nodes give pods {memory} MiB: lower it"
        )
    return found


def _matching(nodes: tuple[Node, ...], selector: Mapping[str, str]) -> list[Node]:
    return [node for node in nodes if selector.items() <= node.labels.items()]


def _machines(settings: Settings, nodes: tuple[Node, ...], share: float) -> list[str]:
    found = []
    for name, machine in settings.machine_types.items():
        path, places = f"cairn:machineTypes.{name}", _matching(nodes, machine.node_selector)
        if not places:
            found.append(f"{path}.nodeSelector is {dict(machine.node_selector)}, and no node has these labels")
        elif not any(node.cpu >= machine.cpu * share and node.memory_mib >= machine.memory_mib for node in places):
            largest = max(places, key=lambda node: (node.cpu, node.memory_mib))
            found.append(
                f"{path} ({machine.cpu:g} cores, {machine.memory_mib} MiB) is larger than every node: the largest, "
                f"{largest.name}, gives {largest.cpu:g} cores and {largest.memory_mib} MiB to pods; make it smaller"
            )
    return found


def _gpus(settings: Settings, nodes: tuple[Node, ...]) -> list[str]:
    found = []
    for name, wanted in settings.accelerators.items():
        there = sum(node.extended.get(wanted.resource, 0) for node in _matching(nodes, wanted.node_selector))
        if wanted.count > there:
            found.append(
                f"cairn:accelerators.{name}.count is {wanted.count}, the nodes have {there} {wanted.resource}; "
                "lower it or install the device plugin"
            )
    return found


def _storage(cluster: Cluster, classes: Mapping[str, bool] | None) -> list[str]:
    if classes is None:
        return []
    if cluster.storage_class and cluster.storage_class not in classes:
        there = f"there are: {listed(classes)}{nearest(cluster.storage_class, classes)}"
        return [f'cairn:kubernetes.storageClass is "{cluster.storage_class}", which the cluster does not have; {there}']
    if not cluster.storage_class and not any(classes.values()):
        return [f"no StorageClass is the default; set cairn:kubernetes.storageClass to one of: {listed(classes)}"]
    return []


def _ports(settings: Settings, cluster: Cluster, taken: Mapping[int, str] | None) -> list[str]:
    if cluster.expose != NODE_PORT:
        return []
    return [
        f"cairn:ports.{name} is {port}, the node port of Service {taken[port]}; choose another"
        for name, port in settings.ports.by_key().items()
        if taken and port in taken
    ]
