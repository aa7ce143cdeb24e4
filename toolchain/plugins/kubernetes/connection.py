"""The connection to the API server: requests with plain objects, over the official client's authentication and TLS.

Made on the first request, so that an `up` that changes nothing pays neither the client's import nor a round trip.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes import kubeconfig
from toolchain.plugins.kubernetes.kubeconfig import Kubeconfig
from toolchain.plugins.kubernetes.objects import dig
from toolchain.plugins.kubernetes.settings import Settings

CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
# How long one failure to connect speaks for the others.
UNREACHABLE_SECONDS = 5.0
# Every waiting resource holds a watch and asks beside it.
CONNECTIONS = 100
APPLY = "application/apply-patch+yaml"  # JSON is YAML
JSON_PATCH = "application/json-patch+json"
Query = Mapping[str, str]


class RefusedError(ProviderError):
    """The API server refused a request: its Status, in parts."""

    def __init__(self, code: int, status: Properties, asked: str) -> None:
        super().__init__(f"{asked}: {status.get('message') or f'HTTP {code}'}")
        self.code = code
        self.reason = str(status.get("reason", ""))
        self.message = str(status.get("message", ""))
        self.causes: list[Properties] = dig(status, "details", "causes", default=[])
        self.details: Properties = status.get("details") or {}


class UnreachableError(ProviderError):
    """No API server answers."""


class Connection:
    """Sends requests; shared by all threads."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._kubeconfig: Kubeconfig | None = None
        self._client: Any = None
        self._unreachable, self._tried = "", 0.0
        self._lock = threading.Lock()

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings; nothing is asked of the cluster yet."""
        self.settings = Settings.read(settings)
        self._kubeconfig, self._client, self._unreachable = None, None, ""

    def kubeconfig(self) -> Kubeconfig:
        """The configuration in use."""
        if self._kubeconfig is None:
            self._kubeconfig = kubeconfig.load(self.settings)
        return self._kubeconfig

    def get(self, path: str, query: Query | None = None) -> Properties:
        """Read an object or a list."""
        return self.request("GET", path, query)

    def request(
        self, method: str, path: str, query: Query | None = None, body: Any = None, content: str = "application/json"
    ) -> Properties:
        """Send a request and give the answer's object; RefusedError or UnreachableError."""
        response = self._send(method, path, query, body, content, stream=False)
        return cast("Properties", json.loads(response.data or b"{}"))

    def text(self, path: str, query: Query | None = None) -> str:
        """Read a text (a container's log)."""
        return str(self._send("GET", path, query, None, "", stream=False).data.decode(errors="replace"))

    def stream(self, path: str, query: Query) -> Any:
        """Open a stream of JSON lines (a watch); an urllib3 response that the caller closes."""
        return self._send("GET", path, query, None, "", stream=True)

    def _send(self, method: str, path: str, query: Query | None, body: Any, content: str, *, stream: bool) -> Any:
        import urllib3

        configuration, pool = self._connected()
        url = f"{configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json, */*", "User-Agent": "cairn-pulumi-kubernetes"}
        headers |= {"Content-Type": content} if body is not None else {}
        for auth in configuration.auth_settings().values():
            headers |= {auth["key"]: auth["value"]} if auth.get("value") else {}
        try:
            response = pool.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                preload_content=not stream,
                retries=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=None if stream else ANSWER_SECONDS),
            )
        except urllib3.exceptions.HTTPError as problem:
            raise self._lost(problem) from problem
        if response.status >= 400:  # noqa: PLR2004 (HTTP's own line between answers and refusals)
            raise RefusedError(response.status, _status(response.data), f"{method} {path}")
        return response

    def _connected(self) -> tuple[Any, Any]:
        with self._lock:
            if self._unreachable and time.monotonic() - self._tried < UNREACHABLE_SECONDS:
                # One server that hangs must not cost every resource the time of a connection that fails.
                raise UnreachableError(self._unreachable)
            if self._client is None:
                self._client = self._connect()
            return cast("tuple[Any, Any]", self._client)

    def _connect(self) -> tuple[Any, Any]:
        from kubernetes.client.configuration import Configuration
        from kubernetes.client.rest import RESTClientObject
        from kubernetes.config import ConfigException, incluster_config
        from kubernetes.config.kube_config import load_kube_config_from_dict

        found = self.kubeconfig()
        configuration = Configuration()
        configuration.connection_pool_maxsize = CONNECTIONS
        try:
            if found.content:
                load_kube_config_from_dict(
                    found.content, context=found.context, client_configuration=configuration, persist_config=False
                )
            elif "KUBERNETES_SERVICE_HOST" in os.environ:
                incluster_config.load_incluster_config(client_configuration=configuration)
            else:
                raise UnreachableError(
                    f"there is no kubeconfig ({found.source}): set kubernetes:kubeconfig or KUBECONFIG"
                )
        except ConfigException as problem:
            raise ProviderError(f"kubernetes: {found.source}, context {found.context}: {problem}") from problem
        return configuration, RESTClientObject(configuration).pool_manager

    def _lost(self, problem: Exception) -> UnreachableError:
        from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

        address = self._client[0].host if self._client else self.kubeconfig().server
        reason = getattr(problem, "reason", None) or problem
        text = f"the Kubernetes API server at {address} is unreachable: {reason}"
        if isinstance(reason, NewConnectionError | ConnectTimeoutError):
            self._unreachable, self._tried = text, time.monotonic()
        return UnreachableError(text)


def _status(data: bytes) -> Properties:
    try:
        status = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace").strip()[:1000]}
    return status if isinstance(status, dict) else {}
