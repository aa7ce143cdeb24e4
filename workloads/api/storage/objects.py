"""Objects that are there: their metadata, patches, copies, compositions, deletion."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

from workloads.api.storage import names, preconditions, properties, resource, spool, uploads
from workloads.api.storage.call import Call
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.properties import Properties
from workloads.api.storage.resource import StoredObject

_COPY_LIMIT: Final = 5 << 30  # S3 copies at most 5 GiB in one request
_MAX_COMPONENTS: Final = 32


async def get(call: Call) -> Response:
    """GET …/o/O: the object's metadata."""
    stored = await call.existing(call.bucket, call.name)
    preconditions.check(call.params, stored, reading=True)
    return JSONResponse(resource.to_message(stored, call.base_url))


async def delete(call: Call) -> Response:
    """DELETE …/o/O."""
    stored = await call.existing(call.bucket, call.name)
    preconditions.check(call.params, stored)
    try:
        await call.deps.store.call("DELETE", f"/{call.bucket}/{call.name}")
    except S3Error as error:
        raise from_s3(error, f"{call.bucket}/{call.name}") from error
    return Response(status_code=204)


async def patch(call: Call) -> Response:
    """PATCH …/o/O: the named properties change, null removes one."""
    stored = await call.existing(call.bucket, call.name)
    return await _change(call, stored, stored.properties.patched(await call.json()))


async def update(call: Call) -> Response:
    """PUT …/o/O: the properties become those of the body."""
    stored = await call.existing(call.bucket, call.name)
    return await _change(call, stored, properties.parse(await call.json()))


async def _change(call: Call, stored: StoredObject, new: Properties) -> Response:
    """Rewrite the object's properties in place; the content, and so the generation, stays."""
    preconditions.check(call.params, stored)
    now = resource.timestamp(datetime.now(UTC))
    kept = {k: v for k, v in new.extra.items() if k not in ("metageneration", "updated")}
    extra = kept | {"metageneration": stored.metageneration + 1, "updated": now}
    headers = replace(new, extra=extra).to_s3()
    if stored.stored_at and not stored.overwritten:
        headers[properties.STORED_AT] = str(stored.stored_at)
    await _s3_copy(call, stored, (stored.bucket, stored.name), headers)
    return JSONResponse(resource.to_message(await call.existing(call.bucket, call.name), call.base_url))


async def copy(call: Call) -> Response:
    """POST …/copyTo/b/B/o/O: answers the new object."""
    _, copied = await _copy(call)
    return JSONResponse(resource.to_message(copied, call.base_url))


async def rewrite(call: Call) -> Response:
    """POST …/rewriteTo/b/B/o/O: a copy that is done in one call here, whatever its size."""
    source, copied = await _copy(call)
    message = {
        "kind": "storage#rewriteResponse",
        "done": True,
        "totalBytesRewritten": str(source.size),
        "objectSize": str(source.size),
        "resource": resource.to_message(copied, call.base_url),
    }
    return JSONResponse(message)


async def _copy(call: Call) -> tuple[StoredObject, StoredObject]:
    """Copy the object to the target with its properties, or the body's when the body has any."""
    bucket, name = call.target
    call.require_bucket(bucket)
    names.check_object(name)
    source = await call.existing(call.bucket, call.name)
    preconditions.check(call.params, source, prefix="ifSource")
    there = await call.head(bucket, name)
    preconditions.check({k: v for k, v in call.params.items() if k != "generation"}, there)
    message = await call.json()
    kept = {k: v for k, v in source.properties.extra.items() if k == "customTime"}
    given = properties.parse(message)  # refuses what can't be set, whether or not it replaces anything
    new = given if _has_properties(message) else replace(source.properties, extra=kept)
    if (bucket, name) == (call.bucket, call.name):
        await _change(call, source, new)
    elif source.size > _COPY_LIMIT:
        await _concatenate(call, (bucket, name), _message_of(new), [source])
    else:
        headers = new.to_s3() | {properties.STORED_AT: str(int(time.time())), "x-amz-checksum-algorithm": "CRC32C"}
        await _s3_copy(call, source, (bucket, name), headers)
    return source, await call.existing(bucket, name)


def _has_properties(message: dict[str, Any]) -> bool:
    return any(name in message for name in (*properties.HEADERS, "metadata", "customTime"))


def _message_of(new: Properties) -> dict[str, Any]:
    return dict(new.headers) | {"metadata": dict(new.metadata)} | dict(new.extra)


async def _s3_copy(call: Call, source: StoredObject, target: tuple[str, str], headers: dict[str, str]) -> None:
    headers = {"content-type": properties.DEFAULT_TYPE} | headers
    headers |= {"x-amz-copy-source": quote(f"/{source.bucket}/{source.name}"), "x-amz-metadata-directive": "REPLACE"}
    if source.etag:
        headers["x-amz-copy-source-if-match"] = f'"{source.etag}"'
    try:
        await call.deps.store.call("PUT", "/{}/{}".format(*target), headers=headers)
    except S3Error as error:
        raise from_s3(error, "{}/{}".format(*target)) from error


async def compose(call: Call) -> Response:
    """POST …/o/O/compose: the sources' contents one after the other."""
    message = await call.json()
    named = message.get("sourceObjects")
    if not isinstance(named, list) or not 1 <= len(named) <= _MAX_COMPONENTS:
        raise StorageError(400, f"compose needs 1 to {_MAX_COMPONENTS} sourceObjects.")
    sources = [await _component(call, item) for item in named]
    destination = message.get("destination") or {}
    destination.setdefault("contentType", sources[0].properties.headers.get("contentType"))
    stored = await _concatenate(call, (call.bucket, call.name), destination, sources)
    return JSONResponse(resource.to_message(stored, call.base_url))


async def _component(call: Call, item: dict[str, Any]) -> StoredObject:
    name = str(item.get("name", ""))
    names.check_object(name)
    stored = await call.existing(call.bucket, name)
    wanted = {"generation": str(item["generation"])} if item.get("generation") else {}
    wanted |= {k: str(v) for k, v in (item.get("objectPreconditions") or {}).items()}
    preconditions.check(wanted, stored)
    return stored


async def _concatenate(
    call: Call, target: tuple[str, str], message: dict[str, Any], sources: list[StoredObject]
) -> StoredObject:
    there = replace(call, bucket=target[0], name=target[1])
    with spool.scratch(call.deps.uploads) as body:
        for source in sources:
            await body.take(_content(call, source))
        return await uploads.store(there, message | {"name": target[1]}, await body.finish(), {})


async def _content(call: Call, source: StoredObject) -> AsyncIterator[bytes]:
    headers = {"if-match": f'"{source.etag}"'} if source.etag else {}
    try:
        answer = await call.deps.store.stream(f"/{source.bucket}/{source.name}", headers)
    except S3Error as error:
        raise from_s3(error, f"{source.bucket}/{source.name}") from error
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()
