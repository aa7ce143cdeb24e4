"""One request to the Cloud Storage surface: who asks, for what, and what the handlers work with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from workloads.api.storage import resource
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.resource import StoredObject
from workloads.api.storage.s3 import ObjectStore
from workloads.tokens import InvalidToken, Principal, Verify

MAX_JSON_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class StorageDeps:
    """What the surface needs from whoever mounts it.

    Attributes:
        store: the S3 server.
        authenticate: the request's principal; raises tokens.InvalidToken (answered as 401).
        uploads: a folder for resumable uploads; kept over restarts, else running uploads are lost.
        location: shown as the location of buckets that were made without one.
    """

    store: ObjectStore
    authenticate: Callable[[Request], Principal]
    uploads: Path
    location: str


@dataclass(frozen=True)
class Call:
    """A request that was authenticated and whose path was taken apart.

    Attributes:
        params: the query.
        bucket, name: of the path, decoded; "" where the path has none.
        target: bucket and name after copyTo or rewriteTo.
    """

    request: Request
    deps: StorageDeps
    principal: Principal
    params: Mapping[str, str]
    bucket: str = ""
    name: str = ""
    target: tuple[str, str] = ("", "")

    @property
    def base_url(self) -> str:
        """How the client reached us: links in answers must work from where it is."""
        url = self.request.url
        scheme = self.request.headers.get("x-forwarded-proto", url.scheme)
        return f"{scheme}://{self.request.headers.get('host', url.netloc)}"

    def require_manager(self, what: str) -> None:
        """Raise a 403 unless the principal manages the stack."""
        if not self.principal.manages:
            raise StorageError(403, f"{self.principal.subject} may not {what}: it takes the role admin or developer.")

    def require_bucket(self, bucket: str) -> None:
        """Raise a 403 unless the principal may open the bucket."""
        if not self.principal.may_open(bucket):
            text = f"{self.principal.subject} does not have access to bucket {bucket}; its token names its buckets."
            raise StorageError(403, text)

    async def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} when there is none."""
        body = await read_limited(self.request)
        return parse_json(body) if body else {}

    async def head(self, bucket: str, name: str) -> StoredObject | None:
        """The object as the store has it, or None."""
        try:
            answer = await self.deps.store.call("HEAD", f"/{bucket}/{name}", headers={"x-amz-checksum-mode": "ENABLED"})
        except S3Error as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise from_s3(error, f"{bucket}/{name}") from error
        return resource.from_headers(bucket, name, answer.headers)

    async def existing(self, bucket: str, name: str) -> StoredObject:
        """The object as the store has it.

        Raises:
            StorageError: 404.
        """
        stored = await self.head(bucket, name)
        if stored is None:
            raise StorageError(404, f"No such object: {bucket}/{name}")
        return stored


def bearer(verify: Verify) -> Callable[[Request], Principal]:
    """An `authenticate` for StorageDeps: takes Authorization: Bearer; whose token it is goes to the logs too."""

    def authenticate(request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise InvalidToken("The request has no bearer token: give the client credentials (cairn.connect() does)")
        principal = verify(token.strip())
        request.state.principal, request.state.role = principal.subject, principal.role
        return principal

    return authenticate


async def read_limited(request: Request, limit: int = MAX_JSON_BYTES) -> bytes:
    """The request's body, refused beyond the limit."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise StorageError(413, f"The body is larger than {limit} bytes.")
    return body


def parse_json(text: bytes) -> dict[str, Any]:
    """A JSON object, or a 400."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StorageError(400, f"The body is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise StorageError(400, "The body must be a JSON object.")
    return value
