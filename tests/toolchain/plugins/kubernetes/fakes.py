"""A cluster in memory: applies as the API server would for these tests, and refuses what it is told to."""

import threading
from collections.abc import Iterator
from typing import Any

from toolchain.plugins.common.resource import Call
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster, Served
from toolchain.plugins.kubernetes.connection import Connection, RefusedError
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.kubeconfig import Kubeconfig
from toolchain.plugins.kubernetes.objects import name_of, namespace_of

CONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "team"}}],
    "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {}}],
}


class EmptyStream:
    """A watch that tells nothing until it is closed."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    def stream(self, _size: int) -> Iterator[bytes]:
        """Wait, then end."""
        self._closed.wait(10)
        yield from ()

    def shutdown(self) -> None:
        """Wake the reader."""
        self._closed.set()

    def close(self) -> None:
        """Nothing is held."""


class FakeConnection(Connection):
    """No server: only settings, and watches that tell nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._kubeconfig = Kubeconfig(CONFIG, "c", "test")

    def configure(self, settings: Properties) -> None:
        """Keep the test's kubeconfig."""
        super().configure(settings)
        self._kubeconfig = Kubeconfig(CONFIG, "c", "test")

    def stream(self, path: str, query: Any) -> Any:
        """A watch."""
        return EmptyStream()

    def text(self, path: str, query: Any = None) -> str:
        """A container's log."""
        return "the last line\n"


class FakeCluster(Cluster):
    """Objects by kind and name; `refusal` is raised by dry runs and applies."""

    def __init__(self) -> None:
        super().__init__(FakeConnection())
        self.objects: dict[tuple[str, str, str], Properties] = {}
        self.asked: list[str] = []
        self.refusal: Exception | None = None
        self.status: Properties = {}
        self.defaults: Properties = {}

    def served(self, kind: Kind) -> Served:
        """Everything is served, in namespaces."""
        return Served(f"/apis/{kind.api_version}", kind.name.lower() + "s", namespaced=True)

    def put(self, obj: Properties) -> Properties:
        """An object that is there, whoever made it."""
        metadata = {"uid": "1", "resourceVersion": "1", "managedFields": [], **obj["metadata"]}
        whole = {**self.defaults, **obj, "metadata": metadata, **({"status": self.status} if self.status else {})}
        self.objects[obj["kind"], namespace_of(obj), name_of(obj)] = whole
        return whole

    def get(self, kind: Kind, namespace: str, name: str) -> Properties | None:
        """An object."""
        self.asked.append(f"get {kind.name} {namespace}/{name}")
        return self.objects.get((kind.name, namespace, name))

    def all(self, kind: Kind, namespace: str, **selectors: str) -> list[Properties]:
        """Every object of a kind, whatever the selector."""
        return [obj for (name, where, _), obj in self.objects.items() if (name, where) == (kind.name, namespace)]

    def apply(self, kind: Kind, obj: Properties, manager: str, *, force: bool, dry_run: bool = False) -> Properties:
        """Take the object as it is."""
        self.asked.append(f"{'dry run' if dry_run else 'apply'} {kind.name} force={force}")
        if self.refusal:
            raise self.refusal
        before = dict(self.objects)
        entry = {"manager": manager, "operation": "Apply"}
        live = self.put({**obj, "metadata": {**obj["metadata"], "managedFields": [entry]}})
        if dry_run:
            self.objects = before
        return live

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> bool:
        """Remove an object."""
        self.asked.append(f"delete {kind.name} {propagation}")
        return self.objects.pop((kind.name, namespace, name), None) is not None


def call() -> Call:
    """A request that nobody listens to."""
    urn = "urn:pulumi:s::p::kubernetes:v1:X::x"
    return Call(urn, status=print, log=print, warn=print, cancelled=threading.Event())


def refusal(code: int, message: str, *causes: Properties) -> RefusedError:
    """What the API server answers."""
    return RefusedError(code, {"message": message, "details": {"causes": list(causes)}}, "PATCH /x")
