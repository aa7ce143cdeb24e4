"""A small asynchronous S3 client: signed requests, streamed both ways.

Used by the handlers of workloads/api/storage. boto3 would need a thread per transfer and reads a body twice to sign it;
here a body is streamed unsigned, its CRC32C checked by the store (the way is the stack's own network).
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree as ET

import httpx

from workloads.api.storage.errors import S3Error, StorageError

UNSIGNED: Final = "UNSIGNED-PAYLOAD"
CONNECTIONS: Final = 64
# A large PUT is answered only after the last byte is on disk, hence no short limit on reading the answer.
TIMEOUT: Final = httpx.Timeout(connect=5, read=600, write=60, pool=60)

Content = bytes | AsyncIterator[bytes]


class ObjectStore:
    """The S3 server, with the stack's own credentials."""

    def __init__(self, url: str, access_key: str, secret_key: str, region: str = "us-east-1") -> None:
        self._base = url.rstrip("/")
        self._host = urlsplit(url).netloc
        self._access_key = access_key
        self._secret_key = secret_key
        self._region = region
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._client = httpx.AsyncClient(timeout=TIMEOUT, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
    ) -> httpx.Response:
        """One request, its answer read whole.

        Raises:
            S3Error: the server refused.
            StorageError: the server can't be reached.
        """
        async with _Reachable():
            response = await self._client.send(self.request(method, path, query, headers, content))
        _check(response)
        return response

    async def stream(self, path: str, headers: Mapping[str, str]) -> httpx.Response:
        """GET whose body the caller reads, and then closes with `aclose`.

        Raises:
            S3Error, StorageError: as `call`.
        """
        async with _Reachable():
            response = await self._client.send(self.request("GET", path, None, headers, b""), stream=True)
            if response.status_code >= httpx.codes.MULTIPLE_CHOICES:
                await response.aread()
        _check(response)
        return response

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: Content = b"",
    ) -> httpx.Request:
        """The signed request, for whoever sends it himself."""
        uri = quote(path, safe="/~")
        text = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in sorted((query or {}).items()))
        signed = {k.lower(): v for k, v in (headers or {}).items()}
        signed |= {"host": self._host, "x-amz-content-sha256": UNSIGNED, "accept-encoding": "identity"}
        signed["x-amz-date"] = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        signed["authorization"] = self._authorization(method, uri, text, signed)
        url = f"{self._base}{uri}" + (f"?{text}" if text else "")
        return self._client.build_request(method, url, headers=signed, content=content)

    def _authorization(self, method: str, uri: str, query: str, headers: Mapping[str, str]) -> str:
        """AWS Signature Version 4 of the request."""
        names = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
        lines = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
        canonical = "\n".join((method, uri, query, lines, ";".join(names), UNSIGNED))
        stamp = headers["x-amz-date"]
        scope = f"{stamp[:8]}/{self._region}/s3/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = f"AWS4{self._secret_key}".encode()
        for part in (stamp[:8], self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        credential = f"{self._access_key}/{scope}"
        return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(names)}, Signature={signature}"


class _Reachable:
    """Turns a broken connection to the store into the 503 that Google's clients retry."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, httpx.TransportError):
            text = f"The object store can't be reached ({type(error).__name__}); it may be starting, try again."
            raise StorageError(503, text) from error


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status < httpx.codes.MULTIPLE_CHOICES:
        return
    code, message = _error_of(response)
    raise S3Error(status, code, message)


def _error_of(response: httpx.Response) -> tuple[str, str]:
    """Code and message of an S3 error; a HEAD has no body, so there the status must do."""
    try:
        root = ET.fromstring(response.content)  # noqa: S314  (the stack's own server)
    except ET.ParseError:
        codes = {304: "NotModified", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}
        return codes.get(response.status_code, "InternalError"), f"HTTP {response.status_code} from the object store"
    return root.findtext("Code", "InternalError"), root.findtext("Message", "")


def parse_xml(content: bytes) -> ET.Element:
    """An answer's XML, its elements without S3's namespace."""
    root = ET.fromstring(content)  # noqa: S314  (the stack's own server)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root
