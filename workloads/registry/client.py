"""MLflow's registry over its REST API. Used by registry.py only.

Not `mlflow-skinny`: importing its client takes 2.6 s and 120 MB in every process, httpx 0.2 s and 18 MB.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx

from workloads.registry.errors import AlreadyExists, Invalid, NotFound, RegistryError, Unavailable

Json = dict[str, Any]
PAGE: Final = 1000
TIMEOUT_S: Final = 30.0
_API: Final = "/api/2.0/mlflow/"
_ERRORS: Final[Mapping[str, type[RegistryError]]] = {
    "RESOURCE_DOES_NOT_EXIST": NotFound,
    "RESOURCE_ALREADY_EXISTS": AlreadyExists,
    "INVALID_PARAMETER_VALUE": Invalid,
    "BAD_REQUEST": Invalid,
}


# An upgrade replaces MLflow: for so long a request waits until it is there again.
PATIENCE_S: Final = 60.0
RETRY_S: Final = 0.5


class MlflowClient:
    """The calls that the registry needs. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        transport: httpx.BaseTransport | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """A client; `token` is called for each request, `transport` is for tests."""
        self._patience_s = patience_s

        def sign(request: httpx.Request) -> httpx.Request:
            request.headers["Authorization"] = f"Bearer {token()}"
            return request

        self._http = httpx.Client(base_url=url, auth=sign, timeout=TIMEOUT_S, trust_env=False, transport=transport)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def model(self, name: str) -> Json:
        """A registered model, with its aliases; raises NotFound."""
        found: Json = self._call("GET", "registered-models/get", {"name": name})["registered_model"]
        return found

    def models(self) -> Iterator[Json]:
        """All registered models."""
        return self._pages("registered-models/search", "registered_models", {})

    def create_model(self, name: str, description: str) -> None:
        """A registered model without versions; raises AlreadyExists."""
        self._call("POST", "registered-models/create", {"name": name, "description": description})

    def update_model(self, name: str, description: str) -> None:
        """Change the description."""
        self._call("PATCH", "registered-models/update", {"name": name, "description": description})

    def delete_model(self, name: str) -> None:
        """Delete it with all its versions."""
        self._call("DELETE", "registered-models/delete", {"name": name})

    def versions(self, filter_string: str = "") -> Iterator[Json]:
        """Versions, newest first, of one model or of all."""
        return self._pages("model-versions/search", "model_versions", {"filter": filter_string})

    def version(self, name: str, version: str) -> Json:
        """A version; raises NotFound."""
        found: Json = self._call("GET", "model-versions/get", {"name": name, "version": version})["model_version"]
        return found

    def create_version(self, name: str, source: str, description: str, tags: Mapping[str, str]) -> Json:
        """A new version of a registered model."""
        pairs = [{"key": key, "value": value} for key, value in tags.items()]
        body = {"name": name, "source": source, "description": description, "tags": pairs}
        found: Json = self._call("POST", "model-versions/create", body)["model_version"]
        return found

    def update_version(self, name: str, version: str, description: str) -> None:
        """Change the description."""
        body = {"name": name, "version": version, "description": description}
        self._call("PATCH", "model-versions/update", body)

    def delete_version(self, name: str, version: str) -> None:
        """Delete it, its aliases too."""
        self._call("DELETE", "model-versions/delete", {"name": name, "version": version})

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a version's tag."""
        self._call("POST", "model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value})

    def delete_tag(self, name: str, version: str, key: str) -> None:
        """Remove a version's tag."""
        self._call("DELETE", "model-versions/delete-tag", {"name": name, "version": version, "key": key})

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Give the alias to the version, taking it from another."""
        self._call("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version})

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove the alias."""
        self._call("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    def download_uri(self, name: str, version: str) -> str:
        """Where a version's artefacts are, with runs:/ and models:/ resolved."""
        answer = self._call("GET", "model-versions/get-download-uri", {"name": name, "version": version})
        return str(answer.get("artifact_uri", ""))

    def artifact(self, name: str, version: str, path: str) -> str | None:
        """A small file among a version's artefacts; None when it is not there."""
        query = {"name": name, "version": version, "path": path}
        answer = self._send("GET", "/model-versions/get-artifact", params=query)
        return answer.text if answer.is_success else None

    def _pages(self, path: str, field: str, query: Json) -> Iterator[Json]:
        token = ""
        while True:
            more = {"page_token": token} if token else {}
            answer = self._call("GET", path, {**query, "max_results": PAGE, **more})
            yield from answer.get(field, [])
            token = answer.get("next_page_token", "")
            if not token:
                return

    def _call(self, method: str, path: str, values: Json) -> Json:
        """One call.

        Raises:
            RegistryError: MLflow's refusal, in our terms.
        """
        sent = {"params": values} if method == "GET" else {"json": values}
        response = self._send(method, _API + path, **sent)
        if response.is_success:
            answer: Json = response.json()
            return answer
        raise _refused(response)

    def _send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self._http.request(method, path, **sent)
            except httpx.TransportError as error:
                if time.monotonic() > deadline or not _nothing_done(method, error):
                    text = (
                        f"the model registry (MLflow at {self._http.base_url}) did not answer: {type(error).__name__}"
                    )
                    raise Unavailable(f"{text}; it may be starting, try again") from error
            time.sleep(RETRY_S)


def _nothing_done(method: str, error: httpx.TransportError) -> bool:
    """Whether asking again can't do something twice: it was not sent, or only asks. A slow answer is none of these."""
    broken_off = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) or (method == "GET" and broken_off)


def _refused(response: httpx.Response) -> RegistryError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    message = str(body.get("message") or f"HTTP {response.status_code}")
    kind = _ERRORS.get(str(body.get("error_code")))
    if kind is None:
        return Unavailable(f"the model registry (MLflow) answered: {message}")
    return kind(message)
