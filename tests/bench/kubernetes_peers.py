"""Kubernetes' bare means: a Job, and a Deployment behind a Service, of the same images in the same namespace."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import kubernetes

import cairn
from tests.bench.peers import CODE, MACHINE, wait_for
from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans.container import Resources
from workloads.plans.pods import container_security, label_value, network_label, pod_security, resources

FAMILY: Final = "training/sklearn-cpu"


class KubernetesPeers:
    """Peers of a stack in the cluster of the kubeconfig in use."""

    job = "bare Job"
    server = "bare Deployment + Service"

    def __init__(self, connection: cairn.Connection) -> None:
        """Find the stack's images in what its controllers are told; its node ports are where its API is."""
        client = kubernetes.config.new_client_from_config()
        self._node = urlsplit(connection.api_endpoint).hostname
        self._core, self._apps = kubernetes.client.CoreV1Api(client), kubernetes.client.AppsV1Api(client)
        self._batch = kubernetes.client.BatchV1Api(client)
        self._networking = kubernetes.client.NetworkingV1Api(client)
        self._namespace = f"cairn-{connection.stack.name}"
        controllers = self._apps.read_namespaced_deployment(contract.CONTROLLERS_HOST, self._namespace)
        told = {each.name: each.value for each in controllers.spec.template.spec.containers[0].env}
        self._config = PlatformConfig.from_json(told[contract.ENV_CONFIG])

    def run_job(self) -> float:
        """A Job that runs once, watched until it has ended."""
        name, started = f"bench-{secrets.token_hex(4)}", time.time()
        self._batch.create_namespaced_job(self._namespace, _job(name, self._config))
        changes = kubernetes.watch.Watch().stream(
            self._batch.list_namespaced_job, self._namespace, field_selector=f"metadata.name={name}"
        )
        for change in changes:
            if change["object"].status.failed:
                raise RuntimeError(f"{name} has failed")
            if change["object"].status.succeeded:
                break
        (pod,) = self._core.list_namespaced_pod(self._namespace, label_selector=f"job-name={name}").items
        printed = self._core.read_namespaced_pod_log(pod.metadata.name, self._namespace)
        self._batch.delete_namespaced_job(name, self._namespace, propagation_policy="Background")
        return float(printed) - started

    @contextmanager
    def serving(self, endpoint: str, command: Sequence[str] = ()) -> Iterator[Mapping[str, str]]:
        """A copy of the endpoint's Deployment that nothing looks after, on a node port of its own."""
        name = f"bench-{secrets.token_hex(4)}"
        labels = {"bench": name, **network_label(contract.NETWORK_WORKLOADS)}
        found = self._apps.list_namespaced_deployment(
            self._namespace, label_selector=f"{contract.LABEL_RESOURCE}={label_value(endpoint)}"
        )
        self._apps.create_namespaced_deployment(self._namespace, _copy(found.items[0], name, labels, command))
        service = self._core.create_namespaced_service(self._namespace, _service(name))
        self._networking.create_namespaced_network_policy(self._namespace, _way_in(name))
        try:
            address = f"http://{self._node}:{service.spec.ports[0].node_port}"
            wait_for(address)
            yield {"": address}
        finally:
            self._networking.delete_namespaced_network_policy(name, self._namespace)
            self._core.delete_namespaced_service(name, self._namespace)
            self._apps.delete_namespaced_deployment(name, self._namespace)


def _job(name: str, config: PlatformConfig) -> dict[str, Any]:
    """As small as Pod Security allows, with the machine type's limits."""
    machine = config.machine_types[MACHINE]
    container = {
        "name": "main",
        "image": config.images[FAMILY],
        "command": ["python3", "-c", CODE],
        "resources": resources(Resources(machine.cpu, machine.memory_mib), {}),
        "securityContext": container_security(read_only_root=False),
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": pod_security(contract.RUN_AS),
        "containers": [container],
    }
    return {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": pod}}}


def _copy(deployment: Any, name: str, labels: dict[str, str], command: Sequence[str]) -> dict[str, Any]:
    """The same pod under labels that neither the controllers nor the quota know."""
    pod = deployment.spec.template.spec
    pod.priority_class_name = None
    if command:
        main = pod.containers[0]
        main.command, main.args = list(command), []
        main.readiness_probe = main.liveness_probe = main.startup_probe = None
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"bench": name}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def _service(name: str) -> dict[str, Any]:
    port = {"port": contract.MODEL_SERVER_PORT}
    return {"metadata": {"name": name}, "spec": {"type": "NodePort", "selector": {"bench": name}, "ports": [port]}}


def _way_in(name: str) -> dict[str, Any]:
    """The stack denies what it does not name."""
    spec = {"podSelector": {"matchLabels": {"bench": name}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    return {"metadata": {"name": name}, "spec": spec}
