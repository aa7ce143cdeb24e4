"""When an object is ready: one function per kind, from the object itself and what it asks of the cluster.

Kinds without an entry are ready as soon as the API server has them, as with the official provider.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import dig, name_of, namespace_of

SLICES = Kind("discovery.k8s.io", "v1", "EndpointSlice")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass")
SERVICE = Kind("", "v1", "Service")
POD = Kind("", "v1", "Pod")
ALONE_SECONDS = 2.0


@dataclass(frozen=True)
class Verdict:
    """How far an object is; `failed`: it will not become ready by waiting."""

    ready: bool
    text: str = ""
    failed: bool = False


READY = Verdict(ready=True)
Check = Callable[[Properties, Cluster], Verdict]


def check_for(kind: Kind) -> Check | None:
    """The kind's check, None when there is nothing to wait for."""
    return CHECKS.get((kind.group, kind.name))


def condition(obj: Properties, name: str) -> Properties:
    """A condition of the object's status, empty where it has none of that type."""
    return next((c for c in dig(obj, "status", "conditions", default=[]) if c.get("type") == name), {})


def holds(obj: Properties, name: str) -> bool:
    """Whether a condition is true."""
    return condition(obj, name).get("status") == "True"


def _waiting(text: str) -> Verdict:
    return Verdict(ready=False, text=text)


def _failed(obj: Properties, name: str) -> Verdict:
    found = condition(obj, name)
    return Verdict(ready=False, text=f"{found.get('reason', name)}: {found.get('message', '')}", failed=True)


def _noticed(obj: Properties) -> bool:
    """Whether the controller has seen the newest version."""
    return int(dig(obj, "status", "observedGeneration", default=0)) >= int(
        dig(obj, "metadata", "generation", default=0)
    )


def _status(obj: Properties, field: str) -> int:
    return int(dig(obj, "status", field, default=0))


def deployment(obj: Properties, cluster: Cluster) -> Verdict:
    """All replicas are of the newest version and available, none of an older one is left."""
    if not _noticed(obj):
        return _waiting("waiting for the rollout to begin")
    if condition(obj, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return _failed(obj, "Progressing")
    wanted = dig(obj, "spec", "replicas", default=1)
    updated, available = _status(obj, "updatedReplicas"), _status(obj, "availableReplicas")
    surplus = _status(obj, "replicas") - updated
    if dig(obj, "spec", "paused") is True or (updated >= wanted and available >= updated and surplus <= 0):
        return READY
    if updated >= wanted and surplus > 0:
        return _waiting(f"{surplus} replicas of the version before are still there")
    return _waiting(f"{min(available, updated)} of {wanted} replicas available")


def stateful_set(obj: Properties, cluster: Cluster) -> Verdict:
    """All replicas are ready and of the newest version, as far as the update strategy goes."""
    if not _noticed(obj):
        return _waiting("waiting for the rollout to begin")
    wanted = dig(obj, "spec", "replicas", default=1)
    ready = min(_status(obj, "readyReplicas"), _status(obj, "availableReplicas"))
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} replicas ready")
    strategy = dig(obj, "spec", "updateStrategy", default={})
    if strategy.get("type") == "OnDelete":
        return READY
    to_update = wanted - int(dig(strategy, "rollingUpdate", "partition", default=0))
    current = dig(obj, "status", "currentRevision") == dig(obj, "status", "updateRevision")
    if current or (to_update < wanted and _status(obj, "updatedReplicas") >= to_update):
        return READY
    return _waiting(f"{_status(obj, 'updatedReplicas')} of {to_update} replicas updated")


def daemon_set(obj: Properties, cluster: Cluster) -> Verdict:
    """Every node that should run it does, at the newest version."""
    if not _noticed(obj):
        return _waiting("waiting for the rollout to begin")
    wanted = _status(obj, "desiredNumberScheduled")
    on_delete = dig(obj, "spec", "updateStrategy", "type") == "OnDelete"
    updated = wanted if on_delete else _status(obj, "updatedNumberScheduled")
    available = _status(obj, "numberAvailable")
    if updated >= wanted and available >= wanted:
        return READY
    return _waiting(f"{min(updated, available)} of {wanted} pods available")


def replication_controller(obj: Properties, cluster: Cluster) -> Verdict:
    """Its replicas are available."""
    wanted, available = dig(obj, "spec", "replicas", default=1), _status(obj, "availableReplicas")
    return READY if _noticed(obj) and available >= wanted else _waiting(f"{available} of {wanted} replicas available")


def job(obj: Properties, cluster: Cluster) -> Verdict:
    """It has succeeded; a suspended one has nothing to do."""
    if holds(obj, "Failed"):
        return _failed(obj, "Failed")
    if holds(obj, "Complete") or dig(obj, "spec", "suspend") is True:
        return READY
    wanted = dig(obj, "spec", "completions", default=1)
    return _waiting(f"{_status(obj, 'active')} pods running, {_status(obj, 'succeeded')} of {wanted} succeeded")


def pod(obj: Properties, cluster: Cluster) -> Verdict:
    """It is ready, or has done its work."""
    phase = dig(obj, "status", "phase", default="Pending")
    if holds(obj, "Ready") or phase == "Succeeded":
        return READY
    return Verdict(ready=False, text=f"the pod is {phase}", failed=phase == "Failed")


def service(obj: Properties, cluster: Cluster) -> Verdict:
    """Something answers behind it, and a load balancer has given it an address."""
    spec = obj.get("spec", {})
    if spec.get("type") == "ExternalName":
        return READY
    watched = bool(spec.get("selector")) and spec.get("clusterIP") != "None"
    if watched and not answers(cluster, namespace_of(obj), name_of(obj)) and not _without_pods(obj, cluster):
        return _waiting("no pod that its selector finds is ready")
    if spec.get("type") == "LoadBalancer" and not dig(obj, "status", "loadBalancer", "ingress"):
        return _waiting("no load balancer has given it an address")
    return READY


def _without_pods(obj: Properties, cluster: Cluster) -> bool:
    """Whether a service that is there for a moment finds no pod at all.

    What makes its pods may come later in the same update: services waiting for it would take its slots of `--parallel`.
    """
    created = datetime.fromisoformat(obj["metadata"]["creationTimestamp"])
    if (datetime.now(UTC) - created).total_seconds() < ALONE_SECONDS:
        return False
    selector = ",".join(f"{key}={value}" for key, value in obj["spec"]["selector"].items())
    return not cluster.all(POD, namespace_of(obj), labelSelector=selector)


def answers(cluster: Cluster, namespace: str, name: str) -> bool:
    """Whether a service has an endpoint that is ready."""
    slices = cluster.all(SLICES, namespace, labelSelector=f"kubernetes.io/service-name={name}")
    endpoints = [endpoint for piece in slices for endpoint in piece.get("endpoints") or []]
    return any(dig(endpoint, "conditions", "ready", default=True) for endpoint in endpoints)


def claim(obj: Properties, cluster: Cluster) -> Verdict:
    """It is bound, or will be when its first pod comes."""
    phase = dig(obj, "status", "phase", default="Pending")
    if phase == "Bound":
        return READY
    name = dig(obj, "spec", "storageClassName", default="")
    found = cluster.get(STORAGE_CLASS, "", name) if name else None
    if dig(found, "volumeBindingMode") == "WaitForFirstConsumer":
        return READY
    return _waiting(f"the claim is {phase}" + (f", storage class {name}" if name else ", without a storage class"))


def volume(obj: Properties, cluster: Cluster) -> Verdict:
    """It can be claimed, or is."""
    phase = dig(obj, "status", "phase", default="Pending")
    text = f"the volume is {phase}: {dig(obj, 'status', 'message', default='')}".rstrip(": ")
    return READY if phase in ("Available", "Bound") else Verdict(ready=False, text=text, failed=phase == "Failed")


def ingress(obj: Properties, cluster: Cluster) -> Verdict:
    """Its services answer, and a controller has given it an address."""
    rules = [
        path.get("backend")
        for r in dig(obj, "spec", "rules", default=[])
        for path in dig(r, "http", "paths", default=[])
    ]
    names = {dig(b, "service", "name") for b in [dig(obj, "spec", "defaultBackend"), *rules]} - {None}
    for name in sorted(names):
        found = cluster.get(SERVICE, namespace_of(obj), name)
        if found is None or (
            dig(found, "spec", "type") != "ExternalName" and not answers(cluster, namespace_of(obj), name)
        ):
            return _waiting(f"the service {name} behind it " + ("has no ready pod" if found else "does not exist"))
    if dig(obj, "status", "loadBalancer", "ingress"):
        return READY
    return _waiting("no ingress controller has given it an address")


def namespace(obj: Properties, cluster: Cluster) -> Verdict:
    """It takes objects."""
    phase = dig(obj, "status", "phase", default="")
    return READY if phase == "Active" else _waiting(f"the namespace is {phase}")


def definition(obj: Properties, cluster: Cluster) -> Verdict:
    """The API server serves the custom kind."""
    if condition(obj, "NamesAccepted").get("status") == "False":
        return _failed(obj, "NamesAccepted")
    return READY if holds(obj, "Established") else _waiting("the custom kind is not served yet")


def quota(obj: Properties, cluster: Cluster) -> Verdict:
    """It is in force."""
    return READY if dig(obj, "spec", "hard") == dig(obj, "status", "hard") else _waiting("not in force yet")


def secret(obj: Properties, cluster: Cluster) -> Verdict:
    """A service account's token has been filled in; any other Secret is whole from the first."""
    empty = obj.get("type") == "kubernetes.io/service-account-token" and not obj.get("data")
    return _waiting("no token yet: does the service account exist?") if empty else READY


CHECKS: dict[tuple[str, str], Check] = {
    ("", "Namespace"): namespace,
    ("", "PersistentVolume"): volume,
    ("", "PersistentVolumeClaim"): claim,
    ("", "Pod"): pod,
    ("", "ReplicationController"): replication_controller,
    ("", "ResourceQuota"): quota,
    ("", "Secret"): secret,
    ("", "Service"): service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "Job"): job,
    ("networking.k8s.io", "Ingress"): ingress,
}
