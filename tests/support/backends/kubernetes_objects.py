"""Kubernetes' objects as kubernetes.py looks at them: which pods are ready and confined, what anybody sees."""

import json
from collections.abc import Iterator
from typing import Any

import kubernetes

from workloads import contract


def is_ready(pod: Any) -> bool:
    """Whether its probes say so."""
    conditions = {each.type: each.status for each in pod.status.conditions or ()}
    return conditions.get("Ready") == "True"


def claimed_by(volume: Any) -> str:
    """The namespace whose claim has the volume."""
    return str(volume.spec.claim_ref.namespace) if volume.spec.claim_ref else ""


def everything(client: Any, namespace: str) -> Iterator[tuple[str, str]]:
    """All objects of a namespace but its Secrets, as JSON, kind by kind."""
    core, apps = kubernetes.client.CoreV1Api(client), kubernetes.client.AppsV1Api(client)
    batch, rbac = kubernetes.client.BatchV1Api(client), kubernetes.client.RbacAuthorizationV1Api(client)
    listings = {
        "pods": core.list_namespaced_pod,
        "services": core.list_namespaced_service,
        "configmaps": core.list_namespaced_config_map,
        "events": core.list_namespaced_event,
        "claims": core.list_namespaced_persistent_volume_claim,
        "deployments": apps.list_namespaced_deployment,
        "statefulsets": apps.list_namespaced_stateful_set,
        "jobs": batch.list_namespaced_job,
        "roles": rbac.list_namespaced_role,
    }
    for name, method in listings.items():
        yield name, json.dumps(client.sanitize_for_serialization(method(namespace)))


def confinement(pod: Any) -> dict[str, bool]:
    """What Pod Security does not ask for; each question, and whether its answer is bad."""
    labels, containers = pod.metadata.labels, pod.spec.containers
    limits = [container.resources.limits or {} for container in containers]
    sources = [source for each in pod.spec.volumes or () if each.projected for source in each.projected.sources or ()]
    is_platforms = labels.get(contract.LABEL_MANAGED_BY) == contract.MANAGED_BY_PULUMI
    is_controllers = labels.get(contract.LABEL_NAME) == contract.CONTROLLERS_HOST
    return {
        "has no memory limit": any("memory" not in each for each in limits),
        "has no CPU limit": any("cpu" not in each for each in limits),
        "writes to its root": is_platforms
        and any(not each.security_context.read_only_root_filesystem for each in containers),
        "reaches the API server": not is_controllers and any(each.service_account_token for each in sources),
    }
