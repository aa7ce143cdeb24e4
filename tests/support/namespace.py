"""A namespace of a test's own on the real cluster, and the engine in it with no more rights than its Role has."""

import secrets
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from kubernetes import client, config

from toolchain.cluster.layout import Layout
from workloads import contract
from workloads.config import AcceleratorType, ClusterConfig
from workloads.controllers.engines import kubernetes_api
from workloads.controllers.engines.kubernetes import KubernetesEngine
from workloads.controllers.engines.kubernetes_objects import Place
from workloads.controllers.engines.kubernetes_rights import RIGHTS
from workloads.plans import pods

GPU: Final = "cairn.test/gpu"
VOLUME: Final = "objects"
PROFILE: Final = "cairn/workloads.json"  # the cluster's tool puts it on the node
CPU_REQUESTS: Final = 0.02  # of the limits: the node may be full of others' requests
Json = dict[str, Any]


class Door:
    """A way to the API server that a test can close: its connections are cut, and no new ones are taken."""

    def __init__(self, port: int) -> None:
        self._server_port, self._open = port, True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                inside, _ = self._listener.accept()
            except OSError:
                return
            if not self._open:
                inside.close()
                continue
            outside = socket.create_connection(("127.0.0.1", self._server_port))
            self._sockets |= {inside, outside}
            for one, other in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass  # cut by the other direction, or by the test
        for each in (one, other):
            with suppress(OSError):  # a close alone ends nothing while the other thread reads
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def shut(self) -> None:
        """Cut everything."""
        self._open = False
        for each in list(self._sockets):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # has ended already
        self._sockets.clear()

    def reopen(self) -> None:
        """Take connections again."""
        self._open = True

    def close(self) -> None:
        """For good."""
        self.shut()
        self._listener.close()


@dataclass
class Namespace:
    """Where a test's pods run.

    Attributes:
        admin: the cluster's own client.
        buckets: those that the engine is told of.
    """

    stack: str
    name: str
    image: str
    admin: client.ApiClient
    door: Door
    engine: KubernetesEngine
    volume: str = VOLUME
    maker: str = contract.RUN_AS
    domain: str = f".{pods.REPLICA_DOMAIN}"
    buckets: set[str] = field(default_factory=set)

    def call(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Any call, as the cluster's administrator."""
        return call(self.admin, method, path, body, content_type)

    def objects(self, kind: str, prefix: str = "/api/v1") -> list[Json]:
        """All objects of a kind in the namespace."""
        found: list[Json] = self.call("GET", f"{prefix}/namespaces/{self.name}/{kind}")["items"]
        return found


def call(
    admin: client.ApiClient, method: str, path: str, body: Any = None, content_type: str = "application/json"
) -> Any:
    """A call in Kubernetes' own JSON."""
    return admin.call_api(
        path, method, body=body, header_params={"Content-Type": content_type, "Accept": "application/json"},
        auth_settings=["BearerToken"], response_types_map={200: "object", 201: "object", 202: "object"},
        _return_http_data_only=True,
    )  # fmt: skip


def pushed(here: Layout, image: str) -> str:
    """The image's name in the cluster's registry, where it is from now on."""
    name = f"{here.registry}/engine-tests/{image}"
    for command in (["docker", "tag", image, name], ["docker", "push", "--quiet", name], ["docker", "rmi", name]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return name


@contextmanager
def namespace(here: Layout, image: str) -> Iterator[Namespace]:
    """A namespace, its engine, and nothing left of both."""
    admin = config.new_client_from_config(str(here.kubeconfig))
    stack = f"eng{secrets.token_hex(3)}"
    name = f"cairn-{stack}"
    base = f"/api/v1/namespaces/{name}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", contract.LABEL_STACK: stack}
    call(admin, "POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    door = Door(int(admin.configuration.host.rpartition(":")[2]))
    buckets: set[str] = set()
    try:
        _furnish(admin, name, base)
        accelerators = {"TEST_GPU": AcceleratorType(2, 0.1, resource=GPU)}
        place = Place(stack, ClusterConfig(name, seccomp_profile=PROFILE, cpu_requests=CPU_REQUESTS), accelerators)
        engine = KubernetesEngine(kubernetes_api.Api(_least(admin, base, door), name), place, buckets.__contains__)
        try:
            yield Namespace(stack, name, image, admin, door, engine, buckets=buckets)
        finally:
            engine.close()
    finally:
        call(admin, "DELETE", f"/api/v1/namespaces/{name}")
        door.close()
        admin.close()


def _furnish(admin: client.ApiClient, name: str, base: str) -> None:
    """What infra declares around the engine: its account and rights, the replicas' names, a volume."""
    account = {"metadata": {"name": "controllers"}}
    rules = [{"apiGroups": [r.group], "resources": [r.resource], "verbs": list(r.verbs)} for r in RIGHTS]
    role = {"metadata": {"name": "controllers"}, "rules": rules}
    binding = {
        "metadata": {"name": "controllers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "controllers"},
        "subjects": [{"kind": "ServiceAccount", "name": "controllers", "namespace": name}],
    }
    selected = {
        "selector": {contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS},
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
    }
    headless = {"metadata": {"name": pods.REPLICA_DOMAIN}, "spec": selected}
    volume = {
        "metadata": {"name": VOLUME},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    rights = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}"
    for path, body in (
        (f"{base}/serviceaccounts", account), (f"{rights}/roles", role), (f"{rights}/rolebindings", binding),
        (f"{base}/services", headless), (f"{base}/persistentvolumeclaims", volume),
    ):  # fmt: skip
        call(admin, "POST", path, body)


def _least(admin: client.ApiClient, base: str, door: Door) -> client.ApiClient:
    """A client with the rights of the controllers, through the door."""
    answer = call(admin, "POST", f"{base}/serviceaccounts/controllers/token", {"spec": {"expirationSeconds": 3600}})
    settings = client.Configuration()
    settings.host = f"https://127.0.0.1:{door.port}"
    settings.ssl_ca_cert = admin.configuration.ssl_ca_cert
    settings.api_key = {"BearerToken": f"Bearer {answer['status']['token']}"}
    return kubernetes_api.connect(settings)
