"""Objects of a cluster: where a kind is served, and get, list, apply, delete."""

import threading
from dataclasses import dataclass

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.connection import APPLY, JSON_PATCH, Connection, RefusedError
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import name_of, namespace_of

NOT_FOUND, CONFLICT, INVALID, FORBIDDEN = 404, 409, 422, 403
DRY_RUN = {"dryRun": "All"}


class UnknownKindError(ProviderError):
    """The API server serves no such kind, mostly as its CustomResourceDefinition is not there (yet)."""


@dataclass(frozen=True)
class Served:
    """How the API server serves a kind."""

    base: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str = "") -> str:
        """The address of an object, or of all of them."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.base}{scope}/{self.plural}" + (f"/{name}" if name else "")


class Cluster:
    """One cluster; what it serves is asked when it is first needed, and remembered."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._served: dict[tuple[str, str], Served] = {}
        self._lock = threading.Lock()

    def served(self, kind: Kind) -> Served:
        """How a kind is served; UnknownKindError when it is not."""
        key = (kind.api_version, kind.name)
        with self._lock:
            if key not in self._served:
                # What is missing is asked for again each time: a CustomResourceDefinition may have come.
                self._served.update(self._discover(kind))
            if key not in self._served:
                raise UnknownKindError(
                    f"the cluster serves no {kind}: is its CustomResourceDefinition there, and the version right?"
                )
            return self._served[key]

    def namespaced(self, kind: Kind) -> bool:
        """Whether objects of the kind lie in a namespace; a kind that nobody knows yet is taken to."""
        if kind.namespaced is not None:
            return kind.namespaced
        try:
            return self.served(kind).namespaced
        except UnknownKindError:
            return True

    def get(self, kind: Kind, namespace: str, name: str) -> Properties | None:
        """An object, None when it is not there."""
        try:
            return self.connection.get(self.served(kind).path(namespace, name))
        except RefusedError as refusal:
            if refusal.code == NOT_FOUND:
                return None
            raise

    def all(self, kind: Kind, namespace: str, **selectors: str) -> list[Properties]:
        """The objects of a kind, chosen by labelSelector or fieldSelector."""
        answer = self.connection.get(self.served(kind).path(namespace), selectors)
        return [{**item, "apiVersion": kind.api_version, "kind": kind.name} for item in answer.get("items") or []]

    def apply(self, kind: Kind, obj: Properties, manager: str, *, force: bool, dry_run: bool = False) -> Properties:
        """Server-side apply: make the object or change the fields that `manager` owns; the object as it is then."""
        query = {
            "fieldManager": manager,
            "force": "true" if force else "false",
            "fieldValidation": "Warn",
            **(DRY_RUN if dry_run else {}),
        }
        path = self.served(kind).path(namespace_of(obj), name_of(obj))
        return self.connection.request("PATCH", path, query, obj, APPLY)

    def json_patch(self, kind: Kind, namespace: str, name: str, operations: list[Properties]) -> Properties:
        """Change an object by a list of JSON patch operations."""
        path = self.served(kind).path(namespace, name)
        return self.connection.request("PATCH", path, None, operations, JSON_PATCH)

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> bool:
        """Ask for an object's deletion; False when it is gone already."""
        path = self.served(kind).path(namespace, name)
        try:
            self.connection.request("DELETE", path, None, {"propagationPolicy": propagation})
        except RefusedError as refusal:
            if refusal.code == NOT_FOUND:
                return False
            raise
        return True

    def _discover(self, kind: Kind) -> dict[tuple[str, str], Served]:
        base = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
        try:
            resources = self.connection.get(base).get("resources") or []
        except RefusedError as refusal:
            if refusal.code == NOT_FOUND:
                return {}
            raise
        return {
            (kind.api_version, resource["kind"]): Served(base, resource["name"], resource["namespaced"])
            for resource in resources
            if "/" not in resource["name"]
        }
