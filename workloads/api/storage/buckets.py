"""Buckets: made, shown, labelled and deleted.

What a bucket is besides its objects is kept as tags of the S3 bucket: labels as they are, location and storage class
under names of our own. A setting that would promise a behaviour that the store doesn't have is refused.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from xml.sax.saxutils import escape

import httpx
from starlette.responses import JSONResponse, Response

from workloads.api.storage import names, spool
from workloads.api.storage.call import Call
from workloads.api.storage.errors import S3Error, StorageError, from_s3
from workloads.api.storage.s3 import parse_xml

_OURS: Final = "cairn:"
_LOCATION: Final = "cairn:location"
_CLASS: Final = "cairn:storage-class"
_METAGENERATION: Final = "cairn:metageneration"
_EPOCH: Final = "1970-01-01T00:00:00.000Z"
# Refused when given a value other than the one here, since nothing would come of them.
_REFUSED: Final[Mapping[str, Any]] = {
    "versioning": {"enabled": False},
    "lifecycle": {"rule": []},
    "retentionPolicy": None,
    "encryption": None,
    "website": None,
    "cors": [],
    "logging": None,
    "billing": {"requesterPays": False},
    "defaultEventBasedHold": False,
    "acl": [],
    "defaultObjectAcl": [],
    "autoclass": {"enabled": False},
    "hierarchicalNamespace": {"enabled": False},
    "objectRetention": None,
    "customPlacementConfig": None,
    "ipFilter": None,
}


async def list_buckets(call: Call) -> Response:
    """GET /b: those that the principal may open; always one page."""
    prefix = call.params.get("prefix", "")
    made = {n: t for n, t in (await _created(call)).items() if n.startswith(prefix) and call.principal.may_open(n)}
    items = [await _message(call, name, created) for name, created in sorted(made.items())]
    return JSONResponse({"kind": "storage#buckets", "items": items})


async def insert(call: Call) -> Response:
    """POST /b."""
    message = await call.json()
    name = str(message.get("name", ""))
    call.require_manager(f"create bucket {name}")
    names.check_new_bucket(name)
    tags = _tags(message, {_METAGENERATION: "1"})
    await _s3(call, "PUT", name)
    await _s3(call, "PUT", name, {"tagging": ""}, _tagging(tags))
    return JSONResponse(await _message(call, name, (await _created(call)).get(name, _EPOCH)))


async def get(call: Call) -> Response:
    """GET /b/B."""
    await _s3(call, "HEAD", call.bucket)
    return JSONResponse(await _message(call, call.bucket, (await _created(call)).get(call.bucket, _EPOCH)))


async def patch(call: Call) -> Response:
    """PATCH /b/B: labels change (null removes one)."""
    return await _change(call, replace=False)


async def update(call: Call) -> Response:
    """PUT /b/B: labels become those of the body."""
    return await _change(call, replace=True)


async def delete(call: Call) -> Response:
    """DELETE /b/B, when it is empty."""
    call.require_manager(f"delete bucket {call.bucket}")
    await _s3(call, "HEAD", call.bucket)
    _check_metageneration(call, await _read_tags(call, call.bucket))
    await _s3(call, "DELETE", call.bucket)
    return Response(status_code=204)


async def _change(call: Call, *, replace: bool) -> Response:
    call.require_manager(f"change bucket {call.bucket}")
    await _s3(call, "HEAD", call.bucket)
    old = await _read_tags(call, call.bucket)
    _check_metageneration(call, old)
    message = await call.json()
    gone = {k for k, v in (message.get("labels") or {}).items() if v is None}
    kept = {k: v for k, v in old.items() if k not in gone and not (replace and not k.startswith(_OURS))}
    kept[_METAGENERATION] = str(_metageneration(old) + 1)
    await _s3(call, "PUT", call.bucket, {"tagging": ""}, _tagging(_tags(message, kept)))
    return JSONResponse(await _message(call, call.bucket, (await _created(call)).get(call.bucket, _EPOCH)))


def _check_metageneration(call: Call, tags: Mapping[str, str]) -> None:
    wanted = call.params.get("ifMetagenerationMatch")
    if wanted is not None and wanted != str(_metageneration(tags)):
        raise StorageError(412, f"ifMetagenerationMatch={wanted} does not hold: it is {_metageneration(tags)}.")


def _metageneration(tags: Mapping[str, str]) -> int:
    return int(tags.get(_METAGENERATION, "1"))


def _tags(message: Mapping[str, Any], kept: Mapping[str, str]) -> dict[str, str]:
    """The tags for what the message sets.

    Raises:
        StorageError: 400, a setting that the store doesn't have.
    """
    for name, harmless in _REFUSED.items():
        if message.get(name) and message[name] != harmless:
            raise StorageError(400, f"Bucket setting '{name}' has no effect on this store, so it can't be set.")
    tags = dict(kept)
    for name, tag in (("location", _LOCATION), ("storageClass", _CLASS)):
        if message.get(name):
            tags[tag] = str(message[name]).upper()
    labels = {k: v for k, v in (message.get("labels") or {}).items() if v is not None}
    return tags | {str(k): str(v) for k, v in labels.items()}


async def _message(call: Call, name: str, created: str) -> dict[str, Any]:
    """The bucket resource of the JSON API."""
    tags = await _read_tags(call, name)
    labels = {k: v for k, v in tags.items() if not k.startswith(_OURS)}
    message: dict[str, Any] = {
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "selfLink": f"{call.base_url}/storage/v1/b/{name}",
        "projectNumber": "0",
        "location": tags.get(_LOCATION, call.deps.location.upper()),
        "locationType": "region",
        "storageClass": tags.get(_CLASS, "STANDARD"),
        "metageneration": str(_metageneration(tags)),
        "etag": f"CA{_metageneration(tags)}=",
        "timeCreated": created,
        "updated": created,
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced",
        },
    }
    return message | ({"labels": labels} if labels else {})


async def _created(call: Call) -> dict[str, str]:
    """Every bucket of the store and when it was made."""
    root = parse_xml((await _s3(call, "GET", "")).content)
    return {item.findtext("Name", ""): item.findtext("CreationDate", _EPOCH) for item in root.iter("Bucket")}


async def _read_tags(call: Call, name: str) -> dict[str, str]:
    try:
        answer = await call.deps.store.call("GET", f"/{name}", {"tagging": ""})
    except S3Error as error:
        if error.code == "NoSuchTagSet":
            return {}
        raise from_s3(error, name) from error
    tags = parse_xml(answer.content).iter("Tag")
    return {item.findtext("Key", ""): item.findtext("Value", "") for item in tags}


async def _s3(
    call: Call, method: str, bucket: str, query: Mapping[str, str] | None = None, content: bytes = b""
) -> httpx.Response:
    try:
        headers = {"x-amz-checksum-crc32c": spool.crc32c(content)} if content else {}
        return await call.deps.store.call(method, f"/{bucket}", query, headers, content)
    except S3Error as error:
        known = error if error.status != HTTPStatus.NOT_FOUND else S3Error(404, "NoSuchBucket", error.message)
        raise from_s3(known, bucket) from error


def _tagging(tags: Mapping[str, str]) -> bytes:
    pairs = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in tags.items())
    return f"<Tagging><TagSet>{pairs}</TagSet></Tagging>".encode()
