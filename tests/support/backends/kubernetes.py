"""Kubernetes' side of the conformance suite: the project's own cluster, never the one that KUBECONFIG names."""

import functools
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import docker
import kubernetes
from kubernetes import stream

from cairn.backup.places import KubernetesPlace, Place
from tests.support import cluster
from tests.support.backends import kubernetes_objects as objects
from tests.support.backends import reach
from tests.support.backends.base import Address, Json, small_config
from workloads import contract
from workloads.plans.pods import label_value

BASE_IMAGE: Final = "cairn-base:latest"
CPU_REQUESTS: Final = 0.2  # of a job's limit: other stacks and tests may be on the node
LESS_CPU: Final = "900m"
OUTPUTS = (1, 2)  # the channels of stdout and stderr
DNS_READY_PORT: Final = "8181"
GONE_S: Final = 60.0


class KubernetesSite:
    """A Site."""

    name = "kubernetes"

    @contextmanager
    def open(self) -> Iterator[None]:
        """The cluster is up, started unless it was."""
        with cluster.running() as self._cluster:
            yield
            self._client.close()

    @functools.cached_property
    def _client(self) -> Any:
        return kubernetes.config.new_client_from_config(str(self._cluster.kubeconfig))

    @property
    def _core(self) -> Any:
        return kubernetes.client.CoreV1Api(self._client)

    @property
    def _apps(self) -> Any:
        return kubernetes.client.AppsV1Api(self._client)

    @property
    def _registry(self) -> str:
        return f"{self._cluster.registry}/cairn"

    def config(self) -> Json:
        """The committed stack's, made small, in the tests' cluster."""
        ports = {name: self.free_port() for name in ("api", "tracking", "objectStore")}
        config = small_config("Pulumi.kubernetes.yaml", ports)
        config["config"]["cairn:kubernetes"] |= {
            "kubeconfig": str(self._cluster.kubeconfig),
            "registry": self._registry,
            "cpuRequests": CPU_REQUESTS,
        }
        return config

    def program(self) -> str:
        """As for a cluster of anybody's."""
        where = f"registry={self._registry!r}, kubeconfig={str(self._cluster.kubeconfig)!r}"
        return (
            "from infra.backends.kubernetes import KubernetesBackend\n"
            "from infra.cluster_settings import Cluster\n"
            f"backend = KubernetesBackend(pulumi.get_stack(), Cluster({where}))"
        )

    def free_port(self) -> int:
        """A node port that no Service has."""
        services = self._core.list_service_for_all_namespaces().items
        taken = {port.node_port for service in services for port in service.spec.ports or ()}
        low, high = self._cluster.node_ports
        return secrets.choice([port for port in range(low, high + 1) if port not in taken])

    def place(self, stack: str) -> Place:
        """By the API server's exec."""
        return KubernetesPlace(stack, str(self._cluster.kubeconfig))

    def unhealthy(self, stack: str) -> list[str]:
        """Deployments and StatefulSets with fewer ready pods than they want, or with one that is on its way out."""
        ready, leaving = set[str](), set[str]()
        for pod in self._pods(stack, {contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}):
            name = pod.metadata.labels[contract.LABEL_NAME]
            (leaving if pod.metadata.deletion_timestamp else ready if objects.is_ready(pod) else leaving).add(name)
        wanted = {each.metadata.name for each in self._workloads(stack)}
        return sorted((wanted - ready) | (wanted & leaving))

    def leftovers(self, stack: str) -> list[str]:
        """Namespaces and what is outside of them: PriorityClasses, volumes of a claim that is gone."""
        selector = f"{contract.LABEL_STACK}={stack}"
        priorities = kubernetes.client.SchedulingV1Api(self._client)
        found = [
            *self._core.list_namespace(label_selector=selector).items,
            *priorities.list_priority_class(label_selector=selector).items,
            *(
                each
                for each in self._core.list_persistent_volume().items
                if objects.claimed_by(each) == _namespace(stack)
            ),
        ]
        return [str(each.metadata.name) for each in found]

    def remove_workloads(self, stack: str) -> None:
        """They go with the namespace."""

    def kill(self, stack: str, service: str) -> None:
        """Its pod, without grace; the Deployment or StatefulSet makes another."""
        for pod in self._pods(stack, {contract.LABEL_NAME: service}):
            self.kill_container(stack, pod.metadata.name)

    def remove(self, stack: str, service: str) -> None:
        """Its Deployment or StatefulSet, with the pods."""
        kind = self._kind(stack, service)
        getattr(self._apps, f"delete_namespaced_{kind}")(service, _namespace(stack), propagation_policy="Foreground")
        self._wait_gone(lambda: any(each.metadata.name == service for each in self._workloads(stack)), service)

    def edit(self, stack: str, service: str) -> None:
        """Its container's limit of CPU, as `kubectl edit` would."""
        limits = {"name": service, "resources": {"limits": {"cpu": LESS_CPU}}}
        patch = {"spec": {"template": {"spec": {"containers": [limits]}}}}
        kind = self._kind(stack, service)
        method = getattr(self._apps, f"patch_namespaced_{kind}")
        method(service, _namespace(stack), patch, field_manager="kubectl-edit")

    def containers(self, stack: str, resource: str) -> list[str]:
        """Pods by their label."""
        return [str(pod.metadata.name) for pod in self._pods(stack, {contract.LABEL_RESOURCE: resource})]

    def serving(self, stack: str, resource: str) -> int:
        """Pods that are ready and stay."""
        pods = self._pods(stack, {contract.LABEL_RESOURCE: resource})
        return sum(objects.is_ready(pod) and not pod.metadata.deletion_timestamp for pod in pods)

    def own_image(self) -> str:
        """The base image, pushed to the cluster's registry under a name of its own."""
        name = f"{self._registry}/own"
        client = docker.from_env()
        assert client.images.get(BASE_IMAGE).tag(name, "1")
        said = str(client.images.push(name, tag="1"))
        client.images.remove(f"{name}:1")
        assert '"error"' not in said, said
        return f"{name}:1"

    def kill_container(self, stack: str, name: str) -> bool:
        """Delete the pod without grace, and see it go."""
        try:
            pod = self._core.read_namespaced_pod(name, _namespace(stack))
            self._core.delete_namespaced_pod(name, _namespace(stack), grace_period_seconds=0)
        except kubernetes.client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return False
        self._wait_gone(lambda: pod.metadata.uid in {each.metadata.uid for each in self._pods(stack, {})}, name)
        return str(pod.status.phase) in ("Pending", "Running")

    def kill_daemon(self, name: str) -> None:
        """One of the cluster's own; it comes back."""
        cluster.kill(self._cluster, name)

    def strangers(self, stack: str) -> list[str]:
        """Pods run on without the kubelet."""
        return []

    def restart_engine(self, *, orderly: bool) -> None:
        """The node's kubelet, which knows no order."""
        self.kill_daemon("kubelet")

    @contextmanager
    def devices(self, resource: str, count: int) -> Iterator[None]:
        """An extended resource of the first node, as a device plugin would report it."""
        node = self._core.list_node().items[0]
        before = (node.status.capacity or {}).get(resource)
        self._report(node.metadata.name, resource, str(count))
        try:
            yield
        finally:
            self._report(node.metadata.name, resource, before)

    def _report(self, node: str, resource: str, count: str | None) -> None:
        """None takes the resource away."""
        sizes = {resource: count}
        self._core.patch_node_status(node, {"status": {"capacity": sizes, "allocatable": sizes}})

    @contextmanager
    def outside(self) -> Iterator[tuple[str, str]]:
        """The readiness port of the cluster's DNS, in another namespace: the node itself may not call the machine."""
        (pod,) = self._core.list_namespaced_pod("kube-system", label_selector="k8s-app=kube-dns").items
        yield str(pod.status.pod_ip), DNS_READY_PORT

    def execute(self, stack: str, service: str, *command: str) -> str:
        """`kubectl exec`."""
        (pod,) = self._pods(stack, {contract.LABEL_NAME: service})
        return self._run(pod, *command)

    def _run(self, pod: Any, *command: str) -> str:
        method = self._core.connect_get_namespaced_pod_exec
        options = {"command": list(command), "stdout": True, "stderr": True, "_preload_content": False, "binary": True}
        running = stream.stream(method, pod.metadata.name, pod.metadata.namespace, **options)
        said: list[bytes] = []
        while running.is_open():  # taken as it comes: the client adds to one text, which takes minutes for a dump
            running.update(timeout=1)
            said += [running.read_channel(each) for each in OUTPUTS if running.peek_channel(each)]
        code, text = running.returncode, b"".join(said).decode(errors="replace")
        running.close()
        assert code == 0, text
        return text

    def shown(self, stack: str) -> Iterator[tuple[str, str]]:
        """What `kubectl get -o yaml` and `kubectl logs` show of everything but Secrets."""
        yield from objects.everything(self._client, _namespace(stack))
        for pod in self._pods(stack, {}):
            if pod.status.phase != "Pending":
                log = self._core.read_namespaced_pod_log(pod.metadata.name, _namespace(stack))
                yield f"log of {pod.metadata.name}", log

    def images(self, stack: str) -> set[str]:
        """As they were pushed."""
        return {container.image for pod in self._pods(stack, {}) for container in pod.spec.containers}

    def listening(self, stack: str) -> dict[str, set[Address]]:
        """What their kernel tells, at the pod's address."""
        found: dict[str, set[Address]] = {}
        for pod in self._pods(stack, {}):
            if pod.status.phase == "Running":
                ports = reach.ports(self._run(pod, *reach.LIST))
                addresses = {(str(pod.status.pod_ip), port) for port in ports}
                found.setdefault(pod.metadata.labels[contract.LABEL_NAME], set()).update(addresses)
        return found

    def reached(self, stack: str, name: str, addresses: set[Address]) -> set[Address]:
        """From its first pod."""
        inside = self._pods(stack, {contract.LABEL_NAME: name})[0]
        return reach.accepting(self._run(inside, *reach.ask(addresses)))

    def soft_spots(self, stack: str) -> list[str]:
        """Pod Security by the namespace, which the API server enforces, and what it does not ask for."""
        labels = self._core.read_namespace(_namespace(stack)).metadata.labels
        enforced = labels.get("pod-security.kubernetes.io/enforce") == "restricted"
        found = [] if enforced else ["the namespace does not enforce Pod Security restricted"]
        for pod in self._pods(stack, {}):
            spots = objects.confinement(pod)
            found += [f"{pod.metadata.name} {spot}" for spot, is_soft in spots.items() if is_soft]
        return found

    def _pods(self, stack: str, labels: dict[str, str]) -> list[Any]:
        selector = ",".join(f"{key}={label_value(value)}" for key, value in labels.items())
        return list(self._core.list_namespaced_pod(_namespace(stack), label_selector=selector).items)

    def _workloads(self, stack: str) -> list[Any]:
        """What keeps the platform's services running."""
        namespace = _namespace(stack)
        selector = f"{contract.LABEL_MANAGED_BY}={contract.MANAGED_BY_PULUMI}"
        deployments = self._apps.list_namespaced_deployment(namespace, label_selector=selector).items
        return [*deployments, *self._apps.list_namespaced_stateful_set(namespace, label_selector=selector).items]

    def _kind(self, stack: str, service: str) -> str:
        sets = self._apps.list_namespaced_stateful_set(_namespace(stack)).items
        return "stateful_set" if service in {each.metadata.name for each in sets} else "deployment"

    def _wait_gone(self, is_there: Any, what: str) -> None:
        deadline = time.monotonic() + GONE_S
        while is_there():
            assert time.monotonic() < deadline, f"{what} is still there after {GONE_S} s"
            time.sleep(0.1)


def _namespace(stack: str) -> str:
    return f"cairn-{stack}"
