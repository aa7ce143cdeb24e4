"""List, read and write objects over HTTP. Used by the images' programs; see the package's docstring.

Reads and lists are retried on network errors and 408, 429, 5xx; so are uploads, since they name the whole object.
"""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from workloads import contract
from workloads.gcs.uri import parse

_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT_S: Final = 60.0
_PIECE: Final = 1 << 20


class StorageError(Exception):
    """The storage refused or could not be reached; the text names the object and what to do.

    Attributes:
        status: HTTP status, or 0 without an answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Object:
    """An object as a listing shows it."""

    bucket: str
    name: str
    size: int

    @property
    def uri(self) -> str:
        """gs://bucket/name."""
        return f"gs://{self.bucket}/{self.name}"


class Client:
    """Speaks to one stack's storage.

    Args:
        endpoint: the gateway, http://host:port.
        token_file: read anew for each request, since it may be renewed.
        tries: how often a request is made before giving up, with pauses of 0.5 s, 1 s, 2 s, …
    """

    def __init__(self, endpoint: str, token_file: str, tries: int = 5) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._token_file = Path(token_file)
        self._tries = tries

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "Client":
        """The client of the stack that the container belongs to.

        Raises:
            StorageError: the environment does not say where the stack is.
        """
        try:
            return cls(environ[contract.ENV_API_ENDPOINT], environ[contract.ENV_TOKEN_FILE])
        except KeyError as error:
            raise StorageError(f"{error.args[0]} is not set; the stack sets it in every container it starts") from error

    def list(self, uri: str) -> Iterator[Object]:
        """Objects whose name starts with the URI's path, in order."""
        bucket, prefix = parse(uri)
        query = {"prefix": prefix, "fields": "items(name,size),nextPageToken"}
        while True:
            with self._open("GET", f"/storage/v1/b/{bucket}/o?{urlencode(query)}", uri) as response:
                page: dict[str, Any] = json.load(response)
            for item in page.get("items", ()):
                yield Object(bucket, item["name"], int(item["size"]))
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def open(self, uri: str, start: int = 0) -> HTTPResponse:
        """The object's bytes from `start` on, as a stream; close it after use."""
        bucket, name = parse(uri)
        headers = {"Range": f"bytes={start}-"} if start else {}
        return self._open("GET", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}?alt=media", uri, headers=headers)

    def read(self, uri: str, pause: Callable[[float], None] = time.sleep, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from `start` on, piece by piece; a connection that breaks is made again where it broke.

        Raises:
            StorageError: the object can't be read, or the connection breaks again and again at the same byte.
        """
        position, failures = start, 0
        while True:
            try:
                with self.open(uri, position) as response:
                    while piece := response.read(_PIECE):
                        position += len(piece)
                        failures = 0
                        yield piece
                    if not response.length:  # what is missing: an early end is no error to http.client
                        return
                    raise IncompleteRead(b"", response.length)  # noqa: TRY301  one way for both kinds of break
            except (OSError, IncompleteRead) as error:
                failures += 1
                if failures == self._tries:
                    raise StorageError(f"{uri}: the connection broke again and again at byte {position}") from error
                pause(0.25 * 2**failures)

    def download(self, uri: str, target: Path) -> None:
        """Save the object as a file; its folder is made if missing."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            for piece in self.read(uri):
                file.write(piece)

    def upload(self, uri: str, source: Path, content_type: str) -> None:
        """Store the file as the object, streaming it."""
        bucket, name = parse(uri)
        query = urlencode({"uploadType": "media", "name": name})
        headers = {"Content-Type": content_type, "Content-Length": str(source.stat().st_size)}
        with self._open("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", uri, source, headers):
            return

    def delete(self, uri: str) -> None:
        """Remove the object, if it is there."""
        bucket, name = parse(uri)
        try:
            self._open("DELETE", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}", uri).close()
        except StorageError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _open(
        self, method: str, path: str, what: str, body: Path | None = None, headers: Mapping[str, str] | None = None
    ) -> HTTPResponse:
        """Make the request until it is answered or there is no sense in trying again."""
        for attempt in range(1, self._tries + 1):
            try:
                return self._once(method, path, what, body, headers or {})
            except StorageError as error:
                if attempt == self._tries or (error.status and error.status not in _TRANSIENT):
                    raise
                time.sleep(0.25 * 2**attempt)
        raise AssertionError("unreachable: tries is at least 1")

    def _once(self, method: str, path: str, what: str, body: Path | None, headers: Mapping[str, str]) -> HTTPResponse:
        token = self._token_file.read_text(encoding="utf-8").strip()
        file = body.open("rb") if body else None
        request = urllib.request.Request(  # noqa: S310  the endpoint is the stack's own, from its environment
            self._endpoint + path, data=file, method=method, headers={"Authorization": f"Bearer {token}", **headers}
        )
        try:
            response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)  # noqa: S310
            return response
        except urllib.error.HTTPError as error:
            with error:
                raise StorageError(_explain(what, error.code, error.read()), error.code) from error
        except OSError as error:
            raise StorageError(f"{what}: no answer from {self._endpoint}: {error}") from error
        finally:
            if file:
                file.close()


def _explain(what: str, status: int, body: bytes) -> str:
    try:
        message = str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = body[:200].decode("utf-8", "replace")
    hint = {
        401: "the container's token is refused or expired",
        403: "a container opens only the buckets that its job or model names",
        404: "check the bucket and path",
    }.get(status, "")
    return f"{what}: HTTP {status}: {message}" + (f" ({hint})" if hint else "")
