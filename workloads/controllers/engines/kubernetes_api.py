"""Calls to the API server of Kubernetes in its own JSON, and its errors in the protocol's terms.

The official client brings connections, TLS, the kubeconfig and the renewal of the controllers' token. Its typed models
are not used: they take ten times the memory of the JSON, and a stack's pods are looked at all the time.
"""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from kubernetes import client, config

from workloads.controllers.engines.base import EngineError, Refused, Unavailable

Json = dict[str, Any]
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
CONNECTIONS: Final = 32  # kept open: the reconcilers', and room for watches and followed logs
MERGE: Final = "application/merge-patch+json"
_NEVER: Final = frozenset({400, 403, 405, 413, 415, 422})
# A server that vanishes without a word is noticed within half a minute, also by a watch on which nothing happens.
_KEEP_ALIVE: Final = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), seconds)
        for name, seconds in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4))
        if hasattr(socket, name)
    ),
]


class NotFound(EngineError):
    """There is no such object."""


class Conflict(EngineError):
    """There is one already, or it has just been changed by somebody else."""


class Gone(EngineError):
    """The API server does not remember as far back: list anew."""


@dataclass(frozen=True)
class Kind:
    """A kind of objects, as the API server's paths have it."""

    prefix: str
    plural: str


PODS: Final = Kind("/api/v1", "pods")
EVENTS: Final = Kind("/api/v1", "events")
SECRETS: Final = Kind("/api/v1", "secrets")
SERVICES: Final = Kind("/api/v1", "services")
JOBS: Final = Kind("/apis/batch/v1", "jobs")
DEPLOYMENTS: Final = Kind("/apis/apps/v1", "deployments")


def in_cluster() -> client.ApiClient:
    """A client with the pod's own service account.

    Raises:
        RuntimeError: this is no pod, or it has no token.
    """
    settings = client.Configuration()
    try:
        config.load_incluster_config(settings)
    except config.ConfigException as error:
        raise RuntimeError(
            f"the controllers' pod has no service account to talk to Kubernetes with: {error}"
        ) from error
    return connect(settings)


def connect(settings: client.Configuration) -> client.ApiClient:
    """A client for many threads."""
    settings.connection_pool_maxsize = CONNECTIONS
    settings.socket_options = _KEEP_ALIVE
    return client.ApiClient(settings)


class Api:
    """One namespace of a cluster."""

    def __init__(self, connection: client.ApiClient, namespace: str) -> None:
        self._client, self._namespace = connection, namespace

    def create(self, kind: Kind, manifest: Json) -> Json:
        """A new object.

        Raises:
            Conflict: there is one of this name.
        """
        try:
            return self._call("POST", self._path(kind), body=manifest)
        except NotFound as missing:
            raise Refused(str(missing)) from missing  # the namespace

    def list(self, kind: Kind, **query: str) -> Json:
        """Those that the query selects, as the server has them now."""
        return self._call("GET", self._path(kind), query)

    def patch(self, kind: Kind, name: str, change: Json) -> Json:
        """Merge the change into the object; "name/scale" changes its number of replicas."""
        return self._call("PATCH", self._path(kind, name), body=change, content_type=MERGE)

    def delete(self, kind: Kind, name: str, **options: Any) -> Json | None:
        """Have the object removed; what is left of it until then, or None when it was gone."""
        try:
            return self._call("DELETE", self._path(kind, name), body={"kind": "DeleteOptions", **options})
        except NotFound:
            return None

    def watch(self, kind: Kind, seconds: int, **query: str) -> Iterator[Json]:
        """Events, as they come, until the server ends the stream.

        Raises:
            Gone: the version to go on from is too old.
        """
        options = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        pending = b""
        for chunk in self._stream(self._path(kind), options, seconds + ANSWER_S):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                event: Json = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error(int(event["object"].get("code", 0)), str(event["object"].get("message")))
                yield event

    def log(self, pod: str, **query: str) -> Iterator[bytes]:
        """What a pod's container has printed, in pieces of any size."""
        return self._stream(self._path(PODS, f"{pod}/log"), query, None if query.get("follow") else ANSWER_S)

    def _path(self, kind: Kind, name: str = "") -> str:
        return "/".join([kind.prefix, "namespaces", self._namespace, kind.plural, *([name] if name else [])])

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        with self._open(method, path, query or {}, body, content_type, ANSWER_S) as answer:
            found: Json = json.loads(answer.data)
            return found

    def _stream(self, path: str, query: Mapping[str, str], timeout: float | None) -> Iterator[bytes]:
        with self._open("GET", path, query, None, "application/json", timeout) as answer:
            try:
                yield from answer.stream(1 << 16)
            finally:
                answer.close()  # a connection with a stream that was left has unread bytes in it

    @contextmanager
    def _open(
        self, method: str, path: str, query: Mapping[str, str], body: Any, content_type: str, timeout: float | None
    ) -> Iterator[Any]:
        headers = {"Content-Type": content_type, "Accept": "application/json, */*"}
        try:
            answer = self._client.call_api(
                path, method, query_params=list(query.items()), header_params=headers, body=body,
                auth_settings=["BearerToken"], _preload_content=False, _request_timeout=(CONNECT_S, timeout),
            )  # fmt: skip
            try:
                yield answer
            finally:
                answer.release_conn()
        except client.ApiException as error:
            raise _error(int(error.status or 0), _said(error)) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"the Kubernetes API server does not answer: {error}") from error


def _said(error: client.ApiException) -> str:
    """The server's words: a Status object's message, or whatever else came."""
    try:
        return str(json.loads(error.body)["message"])
    except (KeyError, TypeError, ValueError):
        return f"{error.reason}: {error.body}" if error.body else str(error.reason)


def _error(status: int, said: str) -> EngineError:
    kinds: dict[int, type[EngineError]] = {404: NotFound, 409: Conflict, 410: Gone}
    if status in kinds:
        return kinds[status](said)
    if status in _NEVER:
        return Refused(said)
    return Unavailable(f"the Kubernetes API server answers {status}: {said}")
