"""What the cluster has before anybody puts anything into it: its DNS and its storage class.

Called by up.py.
"""

from typing import Any

from toolchain.cluster import layout as names

SYSTEM = "kube-system"
LABELS = {"k8s-app": "kube-dns"}
PROVISIONER = "cairn.local/volumes"
Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"


def manifests(nameservers: list[str], started: str) -> list[tuple[str, Object]]:
    """Each with the path of its like; `started` names this start of the node, for a DNS pod that is new with it."""
    core, roles = f"/api/v1/namespaces/{SYSTEM}", f"/apis/{RBAC}/v1"
    return [
        (f"{core}/serviceaccounts", _object("v1", "ServiceAccount", "coredns", SYSTEM)),
        (f"{roles}/clusterroles", _dns_role()),
        (f"{roles}/clusterrolebindings", _dns_binding()),
        (f"{core}/configmaps", _object("v1", "ConfigMap", "coredns", SYSTEM, data={"Corefile": corefile(nameservers)})),
        (f"/apis/apps/v1/namespaces/{SYSTEM}/deployments", _dns(started)),
        (f"{core}/services", _dns_service()),
        ("/apis/storage.k8s.io/v1/storageclasses", _storage_class()),
    ]


def corefile(nameservers: list[str]) -> str:
    """The cluster's names by itself, all others by the machine's servers, if pods have a way out at all."""
    lines = [
        "errors",
        "health {\n lameduck 1s\n }",
        "ready",
        f"kubernetes {names.DOMAIN} in-addr.arpa ip6.arpa {{\n pods insecure\n ttl 5\n }}",
        *([f"forward . {' '.join(nameservers)}"] if nameservers else []),
        "cache 5",
        "loadbalance",
        "reload",
    ]
    return ".:53 {\n " + "\n ".join(lines) + "\n}\n"


def _object(version: str, kind: str, name: str, namespace: str = "", **rest: Any) -> Object:
    metadata: Object = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **rest}


def _dns_role() -> Object:
    watched = {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]}
    slices = {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]}
    return _object(f"{RBAC}/v1", "ClusterRole", "system:coredns", rules=[watched, slices])


def _dns_binding() -> Object:
    role = {"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:coredns"}
    subjects = [{"kind": "ServiceAccount", "name": "coredns", "namespace": SYSTEM}]
    return _object(f"{RBAC}/v1", "ClusterRoleBinding", "system:coredns", roleRef=role, subjects=subjects)


def _dns(started: str) -> Object:
    container = {
        "name": "coredns",
        "image": names.DNS_IMAGE,
        "imagePullPolicy": "Never",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "resources": {"limits": {"memory": "170Mi"}, "requests": {"cpu": "50m", "memory": "70Mi"}},
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
        ],
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 10},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    template = {"metadata": {"labels": LABELS, "annotations": {"cairn.local/started": started}}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template}
    return _object("apps/v1", "Deployment", "coredns", SYSTEM, spec=spec)


def _dns_service() -> Object:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns-tcp"},
    ]
    spec = {"clusterIP": names.DNS_SERVICE, "selector": LABELS, "ports": ports}
    return _object("v1", "Service", "kube-dns", SYSTEM, spec=spec)


def _storage_class() -> Object:
    """Volumes are folders of the node, made when a pod that wants one has been placed."""
    made = _object("storage.k8s.io/v1", "StorageClass", "standard", provisioner=PROVISIONER)
    made["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {**made, "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer"}
