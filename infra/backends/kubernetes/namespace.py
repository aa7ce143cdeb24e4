"""What a stack has once: the provider, its namespace with the security that it enforces, priorities, a quota."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.scheduling import v1 as scheduling

from infra.backends.kubernetes.labels import metadata, namespace_name
from infra.backends.labels import labels
from infra.cluster_settings import Cluster
from workloads.config import AcceleratorType, Capacity
from workloads.plans.pods import cpu, labelled, memory

ROOT: Final = Path(__file__).resolve().parents[3]
PLATFORM: Final = "platform"
SERVERS: Final = "servers"
JOBS: Final = "jobs"
# A service goes before a model server, and that before a job. Only services put somebody out: what a stack's queue has
# let start has its room, unless the cluster is shared: then a model server of one stack must not end jobs of another.
PRIORITIES: Final = {
    PLATFORM: (100_000, "PreemptLowerPriority"),
    SERVERS: (10_000, "Never"),
    JOBS: (1_000, "Never"),
}
# On what is not waited for. A Service would wait for its pods, and as many as Pulumi works on at once for ones that it
# has not come to yet.
SKIP_AWAIT: Final = {"pulumi.com/skipAwait": "true"}
POD_SECURITY: Final = "pod-security.kubernetes.io/enforce"


def priority_name(stack: str, which: str) -> str:
    """The PriorityClass of the platform's services, of model servers or of jobs."""
    return f"{namespace_name(stack)}-{which}"


@dataclass(frozen=True)
class Home:
    """Where a stack's objects go.

    Attributes:
        provider: with the stack's kubeconfig and context.
        namespace: everything below it goes when it goes, also what the controllers made there.
        ready: what must be there before the first pod.
    """

    stack: str
    cluster: Cluster
    provider: kubernetes.Provider
    namespace: core.Namespace
    ready: tuple[pulumi.Resource, ...]

    def options(
        self, opts: pulumi.ResourceOptions | None = None, needed: Sequence[pulumi.Resource] = ()
    ) -> pulumi.ResourceOptions:
        """A child's options; `destroy` takes the namespace away as a whole, or it would wait for what others hold."""
        own = pulumi.ResourceOptions(
            provider=self.provider, depends_on=[self.namespace, *needed], deleted_with=self.namespace
        )
        return pulumi.ResourceOptions.merge(opts, own)

    def metadata(self, kind: str, name: str, object_name: str = "", **more: Any) -> Any:
        """Metadata of an object here."""
        return metadata(self.stack, kind, name, object_name, **more)


def create(
    stack: str, cluster: Cluster, capacity: Capacity | None, accelerators: Mapping[str, AcceleratorType]
) -> Home:
    """The stack's own objects."""
    provider = kubernetes.Provider(
        "kubernetes",
        kubeconfig=_path(cluster.kubeconfig),
        context=cluster.context or None,
        enable_server_side_apply=True,
        enable_patch_force=True,  # all of it is the stack's own: what was edited by hand becomes as declared
        enable_secret_mutable=True,  # a rotation changes keys under running pods: no file is gone meanwhile
    )
    namespace = _namespace(stack, provider)
    priorities = [_priority(stack, which, provider) for which in PRIORITIES]
    home = Home(stack, cluster, provider, namespace, (*priorities,))
    quotas = [*_quota(home, capacity), *_gpu_quota(home, accelerators)]
    return Home(stack, cluster, provider, namespace, (*priorities, *quotas))


def _path(kubeconfig: str) -> str | None:
    """The file as the provider finds it, which runs in another folder."""
    return str(ROOT / Path(kubeconfig).expanduser()) if kubeconfig else None


def _namespace(stack: str, provider: kubernetes.Provider) -> core.Namespace:
    name = namespace_name(stack)
    wanted = {**labels(stack, "namespace", name), POD_SECURITY: "restricted", f"{POD_SECURITY}-version": "latest"}
    metadata: Any = {"name": name, **labelled(wanted)}
    return core.Namespace(name, metadata=metadata, opts=pulumi.ResourceOptions(provider=provider))


def _priority(stack: str, which: str, provider: kubernetes.Provider) -> scheduling.PriorityClass:
    """Outside of the namespace, as all PriorityClasses are."""
    name, (value, preemption) = priority_name(stack, which), PRIORITIES[which]
    metadata: Any = {"name": name, **labelled(labels(stack, "priority", name))}
    return scheduling.PriorityClass(
        name,
        metadata=metadata,
        value=value,
        global_default=False,
        preemption_policy=preemption,
        description=f"{which} of the Cairn stack {stack}",
        opts=pulumi.ResourceOptions(provider=provider),
    )


def _quota(home: Home, capacity: Capacity | None) -> list[core.ResourceQuota]:
    """Jobs and model servers together, whoever makes them, get no more than `cairn:capacity`."""
    if capacity is None:
        return []
    reserved = capacity.cpu * home.cluster.cpu_requests
    sizes = {
        "limits.cpu": cpu(capacity.cpu),
        "limits.memory": memory(capacity.memory_mib),
        "requests.cpu": cpu(reserved),
        "requests.memory": memory(capacity.memory_mib),
    }
    classes = [priority_name(home.stack, which) for which in (JOBS, SERVERS)]
    scope = {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": classes}]}
    return [_resource_quota(home, "workloads", {"hard": sizes, "scopeSelector": scope})]


def _gpu_quota(home: Home, accelerators: Mapping[str, AcceleratorType]) -> list[core.ResourceQuota]:
    """Extended resources can't be counted by priority; nobody but jobs and model servers asks for any."""
    totals: dict[str, int] = {}
    for each in accelerators.values():
        totals[each.resource] = totals.get(each.resource, 0) + each.count
    hard = {f"requests.{name}": str(count) for name, count in sorted(totals.items())}
    return [_resource_quota(home, "accelerators", {"hard": hard})] if hard else []


def _resource_quota(home: Home, name: str, spec: Any) -> core.ResourceQuota:
    return core.ResourceQuota(f"quota-{name}", metadata=home.metadata("quota", name), spec=spec, opts=home.options())
