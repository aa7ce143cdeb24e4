"""The rules agree with the standard: what they accept and refuse, a real cluster's Pod Security does too.

Server-side dry runs in a namespace that enforces "restricted": nothing is made but the namespace.
"""

import json
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.policies.manifests import POD_PATHS, good
from tests.policies.mutations import STANDARD, Mutation
from tests.policies.platform import declared
from tests.support.cluster import running

REFUSAL = 'violates PodSecurity "restricted:latest"'
# Other admissions ask for what the namespace does not have.
ELSEWHERE = ("priorityClassName", "serviceAccountName")


@pytest.fixture(scope="module")
def core() -> Iterator[client.CoreV1Api]:
    """The cluster that $KUBECONFIG names, else the project's own."""
    with ExitStack() as stack:
        kubeconfig = os.environ.get("KUBECONFIG") or str(stack.enter_context(running()).kubeconfig)
        api = stack.enter_context(config.new_client_from_config(kubeconfig))
        yield client.CoreV1Api(api)


@pytest.fixture(scope="module")
def namespace(core: client.CoreV1Api) -> Iterator[str]:
    """A namespace that enforces the standard, as a stack's does."""
    name = f"h-policies-{uuid.uuid4().hex[:8]}"
    wanted = {**good("Namespace")["metadata"]["labels"], "pod-security.kubernetes.io/enforce-version": "latest"}
    core.create_namespace({"metadata": {"name": name, "labels": wanted}})
    try:
        _wait_for_default_account(core, name)
        yield name
    finally:
        core.delete_namespace(name)


def _wait_for_default_account(core: client.CoreV1Api, namespace: str) -> None:
    """The cluster makes it a moment later; until then no pod is admitted."""
    selector = "metadata.name=default"
    deadline = time.monotonic() + 30
    while not core.list_namespaced_service_account(namespace, field_selector=selector).items:
        assert time.monotonic() < deadline, f"namespace {namespace} has no default ServiceAccount after 30 s"
        time.sleep(0.1)


def pod(kind: str, manifest: dict[str, Any]) -> dict[str, Any]:
    """The pod that an object makes, made by itself."""
    template = manifest
    for step in POD_PATHS[kind].split():
        template = template[step]
    made = deepcopy(template)
    for name in ELSEWHERE:
        made["spec"].pop(name, None)
    made["metadata"] = {**made["metadata"], "name": f"try-{uuid.uuid4().hex[:8]}"}
    made["metadata"].pop("namespace", None)
    return {"apiVersion": "v1", "kind": "Pod", **whole(made)}


def whole(value: Any) -> Any:
    """Pulumi's numbers as the API takes them: 8080 for 8080.0."""
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize("kind", POD_PATHS)
def test_good_pods_are_admitted(kind: str, core: client.CoreV1Api, namespace: str) -> None:
    """What the rules accept, the cluster accepts."""
    admitted = core.create_namespaced_pod(namespace, pod(kind, good(kind)), dry_run="All")
    assert admitted.spec.security_context.run_as_non_root


def test_the_whole_platform_is_admitted(core: client.CoreV1Api, namespace: str) -> None:
    """Every pod that the backend declares, with a bucket's folder too."""
    owners = [each for each in declared("kubernetes") if each.type.endswith((":Deployment", ":StatefulSet"))]
    assert len(owners) >= 7
    for each in owners:
        made = pod(each.type.rpartition(":")[2], each.props)
        assert core.create_namespaced_pod(namespace, made, dry_run="All").spec.containers, each.name


@pytest.mark.parametrize("mutation", STANDARD, ids=lambda each: each.name)
def test_bad_pods_are_refused(mutation: Mutation, core: client.CoreV1Api, namespace: str) -> None:
    """What the rules refuse in the standard's name, the cluster refuses in its name."""
    with pytest.raises(ApiException) as refused:
        core.create_namespaced_pod(namespace, pod(mutation.on, mutation.manifest()), dry_run="All")
    assert REFUSAL in json.loads(refused.value.body)["message"]
