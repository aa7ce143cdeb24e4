"""Good Kubernetes objects as the backend declares them, and changing them one place at a time."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from tests.policies.platform import declared_object
from workloads import contract

NAMESPACE: Final = "cairn-test"
TYPES: Final = {
    "ClusterRole": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
    "ClusterRoleBinding": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
    "ConfigMap": "kubernetes:core/v1:ConfigMap",
    "CronJob": "kubernetes:batch/v1:CronJob",
    "DaemonSet": "kubernetes:apps/v1:DaemonSet",
    "Deployment": "kubernetes:apps/v1:Deployment",
    "Ingress": "kubernetes:networking.k8s.io/v1:Ingress",
    "Job": "kubernetes:batch/v1:Job",
    "Namespace": "kubernetes:core/v1:Namespace",
    "NetworkPolicy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    "PersistentVolumeClaim": "kubernetes:core/v1:PersistentVolumeClaim",
    "Pod": "kubernetes:core/v1:Pod",
    "PodTemplate": "kubernetes:core/v1:PodTemplate",
    "ReplicaSet": "kubernetes:apps/v1:ReplicaSet",
    "ReplicationController": "kubernetes:core/v1:ReplicationController",
    "Role": "kubernetes:rbac.authorization.k8s.io/v1:Role",
    "RoleBinding": "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
    "Secret": "kubernetes:core/v1:Secret",
    "Service": "kubernetes:core/v1:Service",
    "ServiceAccount": "kubernetes:core/v1:ServiceAccount",
    "StatefulSet": "kubernetes:apps/v1:StatefulSet",
}
POD_PATHS: Final = {
    "Pod": "",
    "PodTemplate": "template",
    "CronJob": "spec jobTemplate spec template",
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), "spec template"
    ),
}
PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
# Which of the backend's objects stands for the others of its kind.
DECLARED: Final = {
    "Namespace": NAMESPACE,
    "NetworkPolicy": "network-default-deny",
    "PersistentVolumeClaim": "object-store",
    "Role": "controllers",
    "RoleBinding": "controllers",
    "Secret": "api",
    "Service": "gateway-published",
    "ServiceAccount": "controllers",
}
REMOVED: Final = object()


def metadata(kind: str, name: str = "api") -> dict[str, Any]:
    """An object's metadata with the labels of its kind of service."""
    labels = {
        contract.LABEL_STACK: "test",
        contract.LABEL_KIND: kind,
        contract.LABEL_NAME: name,
        contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI,
    }
    return {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": {"pulumi.com/timeoutSeconds": "180"}}


def container(name: str, **more: Any) -> dict[str, Any]:
    """The API's container under another name and without probes."""
    made = pod()["spec"]["containers"][0]
    return {**{key: value for key, value in made.items() if key not in PROBES}, "name": name, **more}


def pod(kind: str = "api") -> dict[str, Any]:
    """The API's pod as the backend declares it, metadata and spec; labelled as another kind when wanted."""
    made: dict[str, Any] = declared_object("StatefulSet", "api")["spec"]["template"]
    made["metadata"]["labels"][contract.LABEL_KIND] = kind
    return made


def root() -> dict[str, Any]:
    """The API's container's security context, but as root."""
    made: dict[str, Any] = pod()["spec"]["containers"][0]["securityContext"]
    return {**made, "runAsUser": 0.0}


def with_init_container(made: dict[str, Any]) -> dict[str, Any]:
    """The pod with a container that comes before the others; the backend itself needs none."""
    made["spec"]["initContainers"] = [container("prepare")]
    return made


def workload(owner: str, kind: str = "api") -> dict[str, Any]:
    """An object of a kind that makes pods, such as "Deployment"."""
    if not POD_PATHS[owner]:
        return with_init_container(pod(kind))
    made: dict[str, Any] = {"metadata": metadata(kind)}
    place = made
    for name in POD_PATHS[owner].split()[:-1]:
        place = place.setdefault(name, {})
    place["template"] = with_init_container(pod(kind))
    if owner in ("Job", "CronJob"):
        place["template"]["spec"]["restartPolicy"] = "Never"
    return made


def config_map() -> dict[str, Any]:
    """Settings without secrets."""
    return {"metadata": metadata("gateway"), "data": {"log.conf": "level = info\ntoken_file=/run/secrets/t\n"}}


def ingress() -> dict[str, Any]:
    """A host with its certificate."""
    rule = {"host": "api.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix"}]}}
    tls = {"hosts": ["api.example.com"], "secretName": "tls"}
    return {"metadata": metadata("gateway"), "spec": {"rules": [rule], "tls": [tls]}}


OURS: Final = {"ConfigMap": config_map, "Ingress": ingress}  # the backend itself declares none
OTHERS: Final = (*DECLARED, *OURS)


def good(kind: str) -> dict[str, Any]:
    """A good object of the kind."""
    if kind in POD_PATHS:
        return workload(kind)
    if kind.startswith("Cluster"):
        made = good(kind.removeprefix("Cluster"))
        made["metadata"].pop("namespace")
        return made
    if kind in OURS:
        return OURS[kind]()
    return declared_object(kind, DECLARED[kind])


def changed(kind: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A good object with changes: words of a path (numbers in lists) → value, or what makes it, or REMOVED.

    A path may begin with "pod" (the pod's spec), "template" (its metadata's and spec's place) or "container" (its
    first container), wherever the kind keeps them.
    """
    made = deepcopy(good(kind))
    for path, given in changes.items():
        value = given() if callable(given) else given
        *way, last = _resolved(kind, path)
        place: Any = made
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
        if value is REMOVED:
            del place[last]
        elif isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return made


def _resolved(kind: str, path: str) -> list[str]:
    first, *rest = path.split()
    template = POD_PATHS.get(kind, "").split()
    beginnings = {"template": template, "pod": [*template, "spec"], "container": [*template, "spec", "containers", "0"]}
    return [*beginnings.get(first, [first]), *rest]
