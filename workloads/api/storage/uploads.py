"""Objects come in: media and multipart uploads, and the one way in which any content is stored."""

import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workloads.api.storage import names, preconditions, properties, resource, spool
from workloads.api.storage.call import MAX_JSON_BYTES, Call, parse_json
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.properties import Properties
from workloads.api.storage.resource import StoredObject
from workloads.api.storage.spool import Spooled

_PRIVATE_ACLS: Final = {"", "private", "projectPrivate", "bucketOwnerRead", "bucketOwnerFullControl"}
_BOUNDARY: Final = re.compile(r'boundary="?([^";]{1,200})"?', re.IGNORECASE)


async def media(call: Call) -> Response:
    """POST /upload/…?uploadType=media: the body is the content."""
    message = {"name": call.params.get("name", ""), "contentType": call.request.headers.get("content-type")}
    message["contentEncoding"] = call.params.get("contentEncoding")
    return await _receive(call, message, call.request.stream())


async def multipart(call: Call) -> Response:
    """POST /upload/…?uploadType=multipart: the resource as JSON, then the content."""
    found = _BOUNDARY.search(call.request.headers.get("content-type", ""))
    if not found:
        raise StorageError(400, "A multipart upload needs Content-Type: multipart/related; boundary=…")
    parts = _Related(call.request.stream(), found[1].strip().encode())
    message, content_type = await parts.metadata()
    message = {"name": call.params.get("name", ""), "contentType": content_type} | message
    return await _receive(call, message, parts.content())


async def _receive(call: Call, message: Mapping[str, Any], stream: AsyncIterator[bytes]) -> Response:
    check_start(call, message)
    with spool.scratch(call.deps.uploads) as body:
        await body.take(stream)
        stored = await store(call, message, await body.finish(), checksums(call.request))
    return JSONResponse(resource.to_message(stored, call.base_url))


def check_start(call: Call, message: Mapping[str, Any]) -> Properties:
    """The properties of the object to come; raises a 400 before any content is read."""
    if not message.get("name"):
        raise StorageError(400, "Required: the object's name, as ?name= or in the metadata.")
    names.check_object(str(message["name"]))
    if call.params.get("predefinedAcl", "") not in _PRIVATE_ACLS:
        raise StorageError(400, "predefinedAcl can't be set: access is by the stack's tokens, nothing is public.")
    if call.params.get("kmsKeyName") or "x-goog-encryption-algorithm" in call.request.headers:
        raise StorageError(400, "Encryption keys can't be set: this store has none of its own.")
    return properties.parse(message)


def checksums(request: Request) -> dict[str, str]:
    """md5Hash and crc32c out of the X-Goog-Hash header."""
    pairs = (part.strip().partition("=") for part in request.headers.get("x-goog-hash", "").split(","))
    values = {key: value for key, _, value in pairs if value}
    return {name: values[key] for key, name in (("crc32c", "crc32c"), ("md5", "md5Hash")) if key in values}


async def store(call: Call, message: Mapping[str, Any], body: Spooled, sums: Mapping[str, str]) -> StoredObject:
    """Check preconditions and checksums, write the object, return it as it is now.

    Raises:
        StorageError: 412, a precondition does not hold; 400, a checksum differs or the store can't hold it.
    """
    name = str(message["name"])
    current = None
    if preconditions.present(call.params):
        current = await call.head(call.bucket, name)
        preconditions.check(call.params, current)
    expected = dict(message) | dict(sums)
    if expected.get("crc32c") not in (None, "", body.crc32c):
        raise StorageError(400, f"Provided CRC32C '{expected['crc32c']}' does not match the content's '{body.crc32c}'.")
    headers = check_start(call, message).to_s3() | preconditions.guard(call.params, current)
    headers.setdefault("content-type", properties.DEFAULT_TYPE)
    headers |= {"content-length": str(body.size), "x-amz-checksum-crc32c": body.crc32c}
    if expected.get("md5Hash"):
        headers["content-md5"] = str(expected["md5Hash"])
    headers[properties.STORED_AT] = str(int(time.time()))
    try:
        await call.deps.store.call("PUT", f"/{call.bucket}/{name}", headers=headers, content=body.content())
    except S3Error as error:
        raise from_s3(error, f"{call.bucket}/{name}") from error
    return await call.existing(call.bucket, name)


class _Related:
    """Reads a multipart/related body of two parts without holding the second."""

    def __init__(self, stream: AsyncIterator[bytes], boundary: bytes) -> None:
        self._stream = stream
        self._delimiter = b"\r\n--" + boundary
        self._buffer = b"\r\n"  # so that the first boundary looks like the others

    async def metadata(self) -> tuple[dict[str, Any], str | None]:
        """The first part as JSON and the second part's content type."""
        await self._until(self._delimiter)
        await self._until(b"\r\n\r\n")
        message = parse_json(await self._until(self._delimiter) or b"{}")
        headers = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        types = [line.partition(":")[2].strip() for line in headers if line.lower().startswith("content-type:")]
        return message, types[0] if types else None

    async def content(self) -> AsyncIterator[bytes]:
        """The second part's bytes."""
        keep = len(self._delimiter)
        while (end := self._buffer.find(self._delimiter)) < 0:
            yield self._buffer[:-keep]
            self._buffer = self._buffer[-keep:] + await self._more()
        yield self._buffer[:end]

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if len(self._buffer) > MAX_JSON_BYTES:
                raise StorageError(400, "The metadata part of the multipart upload is too large.")
            self._buffer += await self._more()
        before, _, self._buffer = self._buffer.partition(mark)
        return before

    async def _more(self) -> bytes:
        async for chunk in self._stream:
            if chunk:
                return chunk
        raise StorageError(400, "The multipart body ends before its closing boundary.")
