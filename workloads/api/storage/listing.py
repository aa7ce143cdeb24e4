"""GET …/o: the objects of a bucket by prefix, delimiter and range of names, page by page."""

import asyncio
import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree as ET

from starlette.responses import JSONResponse, Response

from workloads.api.storage import resource
from workloads.api.storage.call import Call
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.resource import StoredObject
from workloads.api.storage.s3 import parse_xml

_PAGE: Final = 1000
_HEADS_AT_ONCE: Final = 16
_REFUSED: Final = ("matchGlob", "softDeleted", "filter")
# What a listing of the store tells by itself; asking for no more than this saves a request per object.
_CHEAP: Final = {"items", "name", "bucket", "size", "etag", "generation", "updated", "timeCreated", "md5Hash", "id"}
_CHEAP_ELSE: Final = {"kind", "nextPageToken", "prefixes", "selfLink", "storageClass"}
_ITEMS_FIELDS: Final = re.compile(r"items[(/]")


@dataclass(frozen=True)
class _Page:
    """A listing's page: objects, common prefixes, and after which name the next page starts ("" for none)."""

    objects: list[StoredObject] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    next_after: str = ""


async def list_objects(call: Call) -> Response:
    """The page that the query asks for."""
    for name in _REFUSED:
        if call.params.get(name):
            raise StorageError(400, f"'{name}' is not supported; use prefix, delimiter, startOffset and endOffset.")
    page = await _collect(call)
    objects = page.objects
    if call.params.get("includeTrailingDelimiter", "").lower() == "true":
        objects = objects + [o for o in await _heads(call, page.prefixes) if o]
    if not _cheap(call.params.get("fields", "")):
        objects = [o for o in await _heads(call, [o.name for o in objects]) if o]
    message: dict[str, Any] = {"kind": "storage#objects"}
    if objects:
        message["items"] = [resource.to_message(o, call.base_url) for o in sorted(objects, key=_by_name)]
    if page.prefixes:
        message["prefixes"] = page.prefixes
    if page.next_after:
        message["nextPageToken"] = base64.urlsafe_b64encode(page.next_after.encode()).decode()
    return JSONResponse(message)


async def _collect(call: Call) -> _Page:
    """Store pages until there is one page of names within the offsets."""
    size = _size(call.params.get("maxResults", ""))
    start, end = call.params.get("startOffset", ""), call.params.get("endOffset", "")
    after = _decode(call.params.get("pageToken", "")) or _just_before(start)
    objects: list[StoredObject] = []
    prefixes: list[str] = []
    while True:
        page = await _store_page(call, after, size - len(objects) - len(prefixes))
        objects += [o for o in page.objects if o.name >= start and (not end or o.name < end)]
        prefixes += [p for p in page.prefixes if p >= start and (not end or p < end)]
        after = page.next_after
        if not after or (end and after >= end):
            return _Page(objects, prefixes)
        if len(objects) + len(prefixes) >= size:
            return _Page(objects, prefixes, after)


async def _store_page(call: Call, after: str, size: int) -> _Page:
    query = {"list-type": "2", "max-keys": str(size), "prefix": call.params.get("prefix", "")}
    query |= {"start-after": after} if after else {}
    query |= {"delimiter": call.params["delimiter"]} if call.params.get("delimiter") else {}
    try:
        answer = await call.deps.store.call("GET", f"/{call.bucket}", query)
    except S3Error as error:
        raise from_s3(error, call.bucket) from error
    root = parse_xml(answer.content)
    objects = [_entry(call.bucket, item) for item in root.iter("Contents")]
    prefixes = [item.findtext("Prefix", "") for item in root.iter("CommonPrefixes")]
    truncated = root.findtext("IsTruncated") == "true"
    last = max([o.name for o in objects] + prefixes, default="")
    return _Page(objects, prefixes, root.findtext("NextContinuationToken", last) if truncated else "")


def _entry(bucket: str, item: ET.Element) -> StoredObject:
    modified = datetime.fromisoformat(item.findtext("LastModified", ""))
    etag = item.findtext("ETag", "").strip('"')
    return StoredObject(bucket, item.findtext("Key", ""), int(item.findtext("Size", "0")), etag, modified)


async def _heads(call: Call, wanted: list[str]) -> list[StoredObject | None]:
    """What the store knows of each object in full; None for one that is gone meanwhile."""
    gate = asyncio.Semaphore(_HEADS_AT_ONCE)

    async def one(name: str) -> StoredObject | None:
        async with gate:
            return await call.head(call.bucket, name)

    return await asyncio.gather(*(one(name) for name in wanted))


def _cheap(fields: str) -> bool:
    return bool(_ITEMS_FIELDS.search(fields)) and set(re.findall(r"\w+", fields)) <= _CHEAP | _CHEAP_ELSE


def _by_name(stored: StoredObject) -> str:
    return stored.name


def _size(text: str) -> int:
    if text and not text.isdigit():
        raise StorageError(400, f"maxResults must be a number, not '{text}'.")
    return min(int(text or _PAGE), _PAGE) or _PAGE


def _decode(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise StorageError(400, "pageToken is not one that this server gave.") from error


def _just_before(start: str) -> str:
    """A name that sorts shortly before `start`, since the store starts after a name and not at it."""
    if not start:
        return ""
    last = chr(ord(start[-1]) - 1)
    return start[:-1] + (last + "\U0010fffd" if " " < last < "\ud800" else "")
