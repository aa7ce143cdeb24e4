"""Services: a pod that is always there, with a stable name and its secrets; one with volumes is never there twice."""

import base64
from collections.abc import Sequence
from typing import Any, Final

import pulumi
from pulumi_kubernetes.apps import v1 as apps
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.policy import v1 as policy

from infra.backends import checksum
from infra.backends.base import Running, ServiceSpec
from infra.backends.kubernetes import exposure, network, rbac
from infra.backends.kubernetes.labels import selector
from infra.backends.kubernetes.namespace import PLATFORM, Home, priority_name
from infra.backends.labels import labels
from workloads import contract
from workloads.plans import pods

CPU_SHARE: Final = 0.1  # requested of a service's limit: most of the time it waits
CHECKSUM: Final = "cairn.checksum/secrets"
TOKEN_DIR: Final = "kubernetes.io/serviceaccount"  # below /run/secrets, where clients of the API server look
TOKEN_S: Final = 3600


def create(home: Home, spec: ServiceSpec, needed: Sequence[pulumi.Resource], opts: pulumi.ResourceOptions) -> Running:
    """Everything of one service."""
    needed = [*needed, *home.ready, *network.of_service(home, spec, opts)]
    if spec.engine_access:
        needed += rbac.create(home, spec.name, spec.kind, opts)
    if spec.secrets:
        needed.append(_secret(home, spec, opts))
    needed += exposure.inside(home, spec, opts)
    workload = _workload(home, spec, home.options(opts, needed))
    _budget(home, spec, opts)
    return Running(workload, exposure.outside(home, spec, workload, opts))


def _workload(home: Home, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> pulumi.Resource:
    """A StatefulSet's pod is gone before its successor starts, so two never have one volume."""
    shared: dict[str, Any] = {
        "replicas": 1,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(spec.kind, spec.name)},
        "template": template(home, spec),
    }
    metadata = home.metadata(spec.kind, spec.name)
    if spec.mounts:
        # Parallel: a bad version that never gets ready is replaced by the next one, without help by hand.
        wanted: Any = {**shared, "serviceName": spec.name, "podManagementPolicy": "Parallel"}
        alone: pulumi.Resource = apps.StatefulSet(spec.name, metadata=metadata, spec=wanted, opts=opts)
        return alone
    # In place: no room on the nodes is needed for a second one.
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    wanted = {**shared, "strategy": rolling}
    replaced: pulumi.Resource = apps.Deployment(spec.name, metadata=metadata, spec=wanted, opts=opts)
    return replaced


def template(home: Home, spec: ServiceSpec) -> dict[str, Any]:
    """The pod's template; it changes, so the pod is made anew, when a secret does that is read once."""
    joined = {key: value for each in spec.networks for key, value in pods.network_label(each).items()}
    metadata = pods.labelled({**spec.labels, **labels(home.stack, spec.kind, spec.name), **joined})
    if spec.secrets:
        annotations = checksum.of_secrets(CHECKSUM, spec.secrets)
        metadata["annotations"] = {**metadata.get("annotations", {}), **annotations}
    return {"metadata": metadata, "spec": _pod(home, spec)}


def _pod(home: Home, spec: ServiceSpec) -> dict[str, Any]:
    parts = (pods.scratch(spec.tmpfs), pods.claims(spec.mounts), _secret_files(spec))
    container = {
        "name": spec.name,
        "image": spec.image,
        "imagePullPolicy": "IfNotPresent",
        **({"command": [pods.literal(each) for each in spec.command]} if spec.command else {}),
        **({"args": [pods.literal(each) for each in spec.args]} if spec.args else {}),
        **({"env": [{"name": key, "value": _literal(spec.env[key])} for key in sorted(spec.env)]} if spec.env else {}),
        **({"ports": [{"containerPort": each.port, "protocol": "TCP"} for each in spec.ports]} if spec.ports else {}),
        "resources": pods.resources(spec.resources, {}, CPU_SHARE),
        "securityContext": pods.container_security(spec.read_only_root),
        "volumeMounts": [mount for _, mounts in parts for mount in mounts],
        **pods.probes(spec.probe),
    }
    return {
        **pods.shared(home.cluster.pull_secret, priority_name(home.stack, PLATFORM), spec.stop_grace_s),
        **({"serviceAccountName": spec.name} if spec.engine_access else {}),
        "securityContext": pods.pod_security(spec.user),
        "volumes": [volume for volumes, _ in parts for volume in volumes],
        "containers": [container],
    }


def _literal(value: Any) -> pulumi.Input[str]:
    later: pulumi.Output[str] = pulumi.Output.from_input(value)
    return pods.literal(value) if isinstance(value, str) else later.apply(pods.literal)


def secret_name(service: str) -> str:
    """The Secret of a service."""
    return f"{service}-secrets"


def _secret(home: Home, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> core.Secret:
    data = {name: _encoded(spec.secrets[name]) for name in sorted(spec.secrets)}
    metadata = home.metadata(spec.kind, spec.name, secret_name(spec.name))
    return core.Secret(spec.name, metadata=metadata, data=data, type="Opaque", opts=home.options(opts))


def _encoded(value: pulumi.Input[str]) -> pulumi.Output[str]:
    return pulumi.Output.secret(value).apply(lambda text: base64.b64encode(text.encode()).decode())


def _secret_files(spec: ServiceSpec) -> tuple[list[Any], list[Any]]:
    """One volume at /run/secrets: the secret files and, for who talks to the API server, what its clients look for."""
    sources: list[dict[str, Any]] = []
    if spec.secrets:
        items = [{"key": name, "path": name} for name in sorted(spec.secrets)]
        sources.append({"secret": {"name": secret_name(spec.name), "items": items}})
    if spec.engine_access:
        sources += _account_files()
    if not sources:
        return [], []
    volume = {"name": "secrets", "projected": {"defaultMode": pods.MODE_SECRET, "sources": sources}}
    return [volume], [{"name": "secrets", "mountPath": contract.SECRETS_DIR, "readOnly": True}]


def _account_files() -> list[dict[str, Any]]:
    """The token is our own mount: Kubernetes' would be a folder within this one, which is read-only."""
    namespace = {"path": f"{TOKEN_DIR}/namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    authority = {"key": "ca.crt", "path": f"{TOKEN_DIR}/ca.crt"}
    return [
        {"serviceAccountToken": {"path": f"{TOKEN_DIR}/token", "expirationSeconds": TOKEN_S}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [authority]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def _budget(home: Home, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> policy.PodDisruptionBudget:
    """Nodes may be drained: the pod moves."""
    wanted: Any = {"maxUnavailable": 1, "selector": {"matchLabels": selector(spec.kind, spec.name)}}
    metadata = home.metadata(spec.kind, spec.name)
    return policy.PodDisruptionBudget(spec.name, metadata=metadata, spec=wanted, opts=home.options(opts))
