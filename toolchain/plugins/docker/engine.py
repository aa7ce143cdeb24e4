"""The connection to the Docker engine, from the provider's settings; used by every resource type.

docker-py takes a quarter of a second to import, which an `up` without changes should not pay: it is imported on the
first call to the engine. Clients are one per thread, as requests' sessions are not made for sharing.
"""

import json
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties

# The engine answers at once or streams; what takes longer is polled or read as a stream without a limit.
TIMEOUT_SECONDS = 120
# On every object that a deployment made: whose it is, so that what an interrupted `up` left is told from a stranger's.
URN_LABEL = "cairn.pulumi-urn"
DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry-1.docker.io:443")
TLS_FILES = {"caMaterial": "ca.pem", "certMaterial": "cert.pem", "keyMaterial": "key.pem"}


class NameTakenError(ProviderError):
    """The engine has an object of that name already."""


class NoImageError(ProviderError):
    """The engine has no image of that name."""


class Engine:
    """Settings and clients."""

    def __init__(self) -> None:
        self._settings: Properties = {}
        self._clients = threading.local()
        self._api_version = ""

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings; nested ones come as JSON text."""
        self._settings = {name: _decoded(value) for name, value in settings.items()}
        self._clients = threading.local()
        if sum(key in self._settings for key in TLS_FILES) not in (0, len(TLS_FILES)):
            raise ProviderError(f"docker: the settings {', '.join(TLS_FILES)} are needed together")
        if any({"configFile", "configFileContent"} & entry.keys() for entry in self._settings.get("registryAuth", [])):
            raise ProviderError(
                "docker: registryAuth takes username and password here, not configFile or configFileContent; "
                "without registryAuth the user's own docker config is used"
            )

    def client(self) -> Any:
        """This thread's docker-py APIClient; untyped, since the stubs leave out half of what is called."""
        if not hasattr(self._clients, "client"):
            self._clients.client = self._connect()
        return self._clients.client

    @contextmanager
    def patient(self) -> Iterator[Any]:
        """The same client, for what may keep the engine silent for minutes: a push waits until others have ended."""
        client = self.client()
        usual, client.timeout = client.timeout, None
        try:
            yield client
        finally:
            client.timeout = usual

    def api_version(self) -> tuple[int, ...]:
        """The version of the API that engine and client agreed on."""
        return tuple(int(part) for part in str(self.client().api_version).split("."))

    def post(self, path: str, target: str, body: dict[str, Any]) -> None:
        """Call the engine's API where docker-py's own method leaves out parts of the body."""
        client = self.client()
        # docker-py has no public way; its own methods are made of these.
        client._raise_for_status(client._post_json(client._url(path, target), data=body))  # noqa: SLF001

    def registry_auth(self, image: str) -> dict[str, str] | None:
        """The user and password set for an image's registry; None leaves it to docker-py and the user's own config."""
        for entry in self._settings.get("registryAuth", []):
            if registry_of(entry["address"]) == registry_of(image) and entry.get("username"):
                return {"username": entry["username"], "password": entry.get("password", "")}
        return None

    def _connect(self) -> Any:
        import docker
        from docker.errors import DockerException

        host = self._host()
        try:
            client = docker.APIClient(
                base_url=host,
                version=self._api_version or "auto",
                timeout=TIMEOUT_SECONDS,
                tls=self._tls(),
                use_ssh_client=host.startswith("ssh://"),
            )
        except DockerException as problem:
            raise ProviderError(
                f"no Docker engine answers at {host}: {problem}. Is it running, and may this user reach it? "
                "Set docker:host or DOCKER_HOST for another address."
            ) from problem
        self._api_version = client.api_version
        return client

    def _host(self) -> str:
        name = self._settings.get("context") or os.environ.get("DOCKER_CONTEXT")
        if name:
            from docker.context import ContextAPI

            context = ContextAPI.get_context(name)
            if context is None:
                raise ProviderError(f"docker: there is no context {name}; `docker context ls` lists them")
            return str(context.Host)
        return str(self._settings.get("host") or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")

    def _tls(self) -> Any:
        from docker.tls import TLSConfig

        folder = self._settings.get("certPath") or os.environ.get("DOCKER_CERT_PATH")
        if "caMaterial" in self._settings:
            # Kept until the process ends: requests opens the files with every connection.
            self._tls_folder = tempfile.TemporaryDirectory(prefix="cairn-docker-tls-")
            folder = self._tls_folder.name
            for key, name in TLS_FILES.items():
                Path(folder, name).write_text(self._settings[key])
        if not folder:
            return False
        ca, cert, key = (str(Path(folder, name)) for name in TLS_FILES.values())
        return TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Turn the engine's refusal into an error that says what was being done, with the engine's own words."""
    from docker.errors import APIError, DockerException, ImageNotFound
    from requests.exceptions import RequestException

    try:
        yield
    except DockerException as problem:
        conflict = isinstance(problem, APIError) and problem.status_code == HTTPStatus.CONFLICT
        error = NameTakenError if conflict and "already" in daemon_words(problem) else ProviderError
        error = NoImageError if isinstance(problem, ImageNotFound) else error
        raise error(f"docker could not {what}: {daemon_words(problem)}") from problem
    except RequestException as problem:
        raise ProviderError(f"docker could not {what}: the connection to the engine failed: {problem}") from problem


def daemon_words(problem: Exception) -> str:
    """What the engine said, without the client's wrapping."""
    explanation = getattr(problem, "explanation", None)
    return str(explanation.decode() if isinstance(explanation, bytes) else explanation or problem)


def marked_as_ours(labels: dict[str, str], call: Call) -> dict[str, str]:
    """The labels of a new object: the program's, and whose it is."""
    return {**labels, URN_LABEL: call.urn}


def without_mark(labels: dict[str, str] | None) -> dict[str, str]:
    """The labels that the program set."""
    return {name: value for name, value in (labels or {}).items() if name != URN_LABEL}


def is_ours(labels: dict[str, str] | None, call: Call) -> bool:
    """Whether this very resource made the object."""
    return (labels or {}).get(URN_LABEL) == call.urn


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("[", "{"):
        return json.loads(value)
    return value


def registry_of(reference: str) -> str:
    """The registry of an image's name or of a login's address; Docker's own where none is named."""
    first, slash, _ = reference.removeprefix("https://").removeprefix("http://").partition("/")
    names_one = first == "localhost" or "." in first or (":" in first and bool(slash))
    return first if names_one and first not in DOCKER_HUB else "docker.io"
