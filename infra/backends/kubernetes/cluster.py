"""What the cluster says of itself: its nodes, its storage classes, which node ports are taken.

Called while the program runs, also in previews, so it only asks. It speaks HTTPS with the standard library, since the
official client takes long to import. A cluster that can't be asked this way is None, which means "not known", and so is
each part that this login may not see: the provider will report in its own words.
"""

import http.client
import json
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from infra.backends.kubernetes.kubeconfig import Access
from infra.backends.kubernetes.labels import namespace_name
from infra.backends.kubernetes.quantities import cores, mebibytes, whole

TIMEOUT_S: Final = 5.0
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True)
class Node:
    """A node that takes pods, with what it gives to them.

    Attributes:
        extended: count of each extended resource, such as "nvidia.com/gpu".
    """

    name: str
    cpu: float
    memory_mib: int
    labels: Mapping[str, str]
    extended: Mapping[str, int]


@dataclass(frozen=True)
class Known:
    """A cluster that answered; None is what it would not tell.

    Attributes:
        storage_classes: name → whether it is the default.
        node_ports: node port → "namespace/name" of the Service that has it, those of the asked stack left out.
    """

    nodes: tuple[Node, ...] | None = None
    storage_classes: Mapping[str, bool] | None = None
    node_ports: Mapping[int, str] | None = None


def inspect(access: Access, stack: str) -> Known | None:
    """The cluster as the stack sees it, or None when it can't be asked."""
    try:
        with _Asking(access) as ask:
            nodes, classes = ask("/api/v1/nodes"), ask("/apis/storage.k8s.io/v1/storageclasses")
            services = ask("/api/v1/services")
    except (OSError, http.client.HTTPException, ValueError):
        return None
    return Known(
        nodes=None if nodes is None else tuple(_node(each) for each in nodes if not each["spec"].get("unschedulable")),
        storage_classes=None if classes is None else {each["metadata"]["name"]: _default(each) for each in classes},
        node_ports=None if services is None else _node_ports(services, namespace_name(stack)),
    )


def _node(raw: Mapping[str, Any]) -> Node:
    offered = raw["status"].get("allocatable", {})
    return Node(
        name=raw["metadata"]["name"],
        cpu=cores(offered.get("cpu", "0")),
        memory_mib=mebibytes(offered.get("memory", "0")),
        labels=raw["metadata"].get("labels", {}),
        extended={name: whole(count) for name, count in offered.items() if "/" in name},
    )


def _default(storage_class: Mapping[str, Any]) -> bool:
    return bool(storage_class["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true")


def _node_ports(services: list[dict[str, Any]], own: str) -> dict[int, str]:
    return {
        port["nodePort"]: f"{each['metadata']['namespace']}/{each['metadata']['name']}"
        for each in services
        if each["metadata"]["namespace"] != own
        for port in each["spec"].get("ports", ())
        if "nodePort" in port
    }


class _Asking:
    """One connection for all questions; each answers the list's items, or None when they may not be seen."""

    def __init__(self, access: Access) -> None:
        self._access = access
        address = urlsplit(access.server)
        self._connection = _Connection(address.hostname or "", address.port or 443, access)
        self._prefix = address.path.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __call__(self, path: str) -> list[dict[str, Any]] | None:
        headers = {"Authorization": f"Bearer {self._access.token}"} if self._access.token else {}
        self._connection.request("GET", self._prefix + path, headers={"Accept": "application/json", **headers})
        response = self._connection.getresponse()
        text = response.read()
        if response.status in (http.client.FORBIDDEN, http.client.NOT_FOUND):
            return None
        if response.status != http.client.OK:
            raise ValueError(f"{path}: {response.status}")
        found: list[dict[str, Any]] = json.loads(text)["items"]
        return found


class _Connection(http.client.HTTPSConnection):
    """Checks the server's certificate against the kubeconfig's authority and name."""

    def __init__(self, host: str, port: int, access: Access) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self._server_name = access.name or host
        self._tls = _tls(access)

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server_name)


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=access.authority or None)
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.certificate:
        # Python takes them only from a file; this one nobody else can read, and it is gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{access.certificate}\n{access.key}\n")
            file.flush()
            context.load_cert_chain(file.name)
    return context
