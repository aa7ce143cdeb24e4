"""An object's content goes out, whole or a range of it, as a stream."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
from starlette.responses import Response, StreamingResponse

from workloads.api.storage import preconditions, properties, resource
from workloads.api.storage.call import Call
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.resource import StoredObject

_PASSED: Final = (*properties.HEADERS.values(), "content-length", "content-range", "last-modified")


async def media(call: Call) -> Response:
    """GET …/o/O?alt=media."""
    headers = {"x-amz-checksum-mode": "ENABLED"}
    if "range" in call.request.headers:
        headers["range"] = call.request.headers["range"]
    path = f"/{call.bucket}/{call.name}"
    try:
        answer = await call.deps.store.stream(path, headers)
    except S3Error as error:
        if error.code == "InvalidRange":
            return await _unsatisfiable(call)
        raise from_s3(error, path[1:]) from error
    stored = resource.from_headers(call.bucket, call.name, answer.headers)
    try:
        preconditions.check(call.params, stored, reading=True)
    except StorageError:
        await answer.aclose()
        raise
    return StreamingResponse(_chunks(answer), answer.status_code, _headers(stored, answer.headers))


def _headers(stored: StoredObject, answer: Mapping[str, str]) -> dict[str, str]:
    result = {name: answer[name] for name in _PASSED if name in answer}
    result.setdefault("content-type", properties.DEFAULT_TYPE)
    result |= {
        "accept-ranges": "bytes",
        "etag": resource.etag(stored),
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-storage-class": "STANDARD",
        "x-goog-stored-content-encoding": stored.properties.headers.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(stored.size),
    }
    if stored.stored_at:  # of a file that others may have written in place, the kept hashes may be old
        names = {"crc32c": "crc32c", "md5Hash": "md5"}
        sums = ",".join(f"{names[name]}={value}" for name, value in stored.hashes.items())
        result |= {"x-goog-hash": sums} if sums else {}
    return result


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


async def _unsatisfiable(call: Call) -> Response:
    """416 with the size, from which a client sees that it has everything."""
    stored = await call.existing(call.bucket, call.name)
    error = StorageError(416, f"The range {call.request.headers['range']} is not within {stored.size} bytes.")
    response = error.to_response()
    response.headers["content-range"] = f"bytes */{stored.size}"
    return response
