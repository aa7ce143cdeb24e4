"""Good Kubernetes objects as the backend declares them, and changing them one place at a time."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

from workloads import contract

NAMESPACE: Final = "cairn-test"
IMAGE: Final = "127.0.0.1:5001/cairn/api:0123456789abcdef"
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
    """A restricted container."""
    return {
        "name": name,
        "image": IMAGE,
        "args": ["serve", "--token-file=/run/secrets/token"],
        "env": [{"name": "CAIRN_TOKEN_FILE", "value": "/run/secrets/token"}],
        "ports": [{"containerPort": 8080.0}],
        "resources": {
            "limits": {"cpu": "1", "memory": "640Mi"},
            "requests": {"cpu": "100m", "memory": "640Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "secrets", "mountPath": "/run/secrets", "readOnly": True}],
        **more,
    }


def probe() -> dict[str, Any]:
    """How the kubelet asks."""
    return {"httpGet": {"path": "/healthz", "port": 8080.0}}


def pod(kind: str = "api") -> dict[str, Any]:
    """A restricted pod that is asked whether it works; its metadata and spec."""
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001.0,
            "runAsGroup": 10001.0,
            "fsGroup": 10001.0,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [container("prepare")],
        "containers": [container("api", readinessProbe=probe(), livenessProbe=probe())],
        "volumes": [
            {"name": "secrets", "secret": {"secretName": "api", "defaultMode": 288.0}},
            {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        ],
    }
    return {"metadata": metadata(kind), "spec": spec}


def workload(owner: str, kind: str = "api") -> dict[str, Any]:
    """An object of a kind that makes pods, such as "Deployment"."""
    if not POD_PATHS[owner]:
        return pod(kind)
    made: dict[str, Any] = {"metadata": metadata(kind)}
    place = made
    for name in POD_PATHS[owner].split()[:-1]:
        place = place.setdefault(name, {})
    place["template"] = pod(kind)
    if owner in ("Job", "CronJob"):
        place["template"]["spec"]["restartPolicy"] = "Never"
    return made


def others() -> dict[str, dict[str, Any]]:
    """Good objects that make no pods, by kind."""
    rights = {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["create", "delete", "get", "list", "watch"]}
    secrets = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get"]}
    subject = {"kind": "ServiceAccount", "name": "controllers", "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controllers"}
    namespace = metadata("namespace", NAMESPACE)
    namespace["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    rule = {"host": "api.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix"}]}}
    return {
        "ConfigMap": {
            "metadata": metadata("gateway"),
            "data": {"log.conf": "level = info\ntoken_file=/run/secrets/t\n"},
        },
        "Ingress": {
            "metadata": metadata("gateway"),
            "spec": {"rules": [rule], "tls": [{"hosts": ["api.example.com"], "secretName": "tls"}]},
        },
        "Namespace": {"metadata": namespace},
        "NetworkPolicy": {
            "metadata": metadata("network", "default-deny"),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        },
        "PersistentVolumeClaim": {
            "metadata": metadata("object_store"),
            "spec": {"resources": {"requests": {"storage": "20Gi"}}},
        },
        "Role": {"metadata": metadata("job_runner", "controllers"), "rules": [rights, secrets]},
        "RoleBinding": {"metadata": metadata("job_runner", "controllers"), "roleRef": role, "subjects": [subject]},
        "Secret": {"metadata": metadata("api"), "stringData": {"token": "hunter2"}},
        "Service": {
            "metadata": metadata("gateway", "gateway-published"),
            "spec": {"type": "NodePort", "ports": [{"port": 8080.0, "nodePort": 30080.0}]},
        },
        "ServiceAccount": {"metadata": metadata("job_runner", "controllers"), "automountServiceAccountToken": True},
    }


def good(kind: str) -> dict[str, Any]:
    """A good object of the kind."""
    if kind in POD_PATHS:
        return workload(kind)
    if kind.startswith("Cluster"):
        made = deepcopy(others()[kind.removeprefix("Cluster")])
        made["metadata"].pop("namespace")
        return made
    return others()[kind]


def changed(kind: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A good object with changes: words of a path (numbers in lists) → value, or REMOVED.

    A path may begin with "pod" (the pod's spec), "template" (its metadata's and spec's place) or "container" (its
    first container), wherever the kind keeps them.
    """
    made = deepcopy(good(kind))
    for path, value in changes.items():
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
