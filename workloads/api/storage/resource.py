"""An object as the store has it, and the Cloud Storage resource that it is shown as.

An S3 store has no generations. Ours is made of the time of the last change and the content's ETag: it is the same in a
listing and in a get, changes whenever the content does, and needs no record beside the object, so files that a job
writes under /gcs have one too.
"""

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

from workloads.api.storage import properties
from workloads.api.storage.properties import Properties

_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MICROSECONDS: Final = 1_000_000
# How much later than its upload a file may have changed before its kept hashes are called stale: the store's clock
# ticks in seconds, and a large body takes a while to arrive.
_SLACK_S: Final = 2
_SLACK_BYTES_PER_S: Final = 20_000_000


@dataclass(frozen=True)
class StoredObject:
    """What the store says of an object.

    Attributes:
        etag: the store's, without quotes; "" for a file that was written past it.
        crc32c: base64, "" when the store has none.
        stored_at: when the content went through this API, epoch seconds; 0 when it did not.
    """

    bucket: str
    name: str
    size: int
    etag: str
    modified: datetime
    crc32c: str = ""
    stored_at: int = 0
    properties: Properties = field(default_factory=Properties)

    @property
    def generation(self) -> int:
        """Changes with the content; microseconds since 1970 in looks, whose fraction is a hash of the ETag."""
        fraction = zlib.crc32(f"{self.etag}:{self.size}".encode()) % _MICROSECONDS
        return int(self.modified.timestamp()) * _MICROSECONDS + fraction

    @property
    def metageneration(self) -> int:
        """Changes of the metadata, counted from 1 at each new content."""
        return int(self.properties.extra.get("metageneration", 1))

    @property
    def overwritten(self) -> bool:
        """Whether a job has written the file in place, under /gcs, since its hashes were taken."""
        slack = _SLACK_S + self.size / _SLACK_BYTES_PER_S
        return bool(self.stored_at) and self.modified.timestamp() - self.stored_at > slack

    @property
    def hashes(self) -> dict[str, str]:
        """The content's hashes as far as they are known, as base64: md5Hash, crc32c."""
        if self.overwritten:
            return {}
        known = {"crc32c": self.crc32c} if self.crc32c else {}
        if _MD5.fullmatch(self.etag):
            known["md5Hash"] = base64.b64encode(bytes.fromhex(self.etag)).decode()
        return known


def from_headers(bucket: str, name: str, headers: Mapping[str, str]) -> StoredObject:
    """The object that a HEAD or GET answer tells of."""
    size = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length", "0")
    stored_at = headers.get(properties.STORED_AT, "")
    return StoredObject(
        bucket,
        name,
        int(size),
        headers.get("etag", "").strip('"'),
        parsedate_to_datetime(headers["last-modified"]),
        headers.get("x-amz-checksum-crc32c", ""),
        int(stored_at) if stored_at.isdigit() else 0,
        properties.from_s3(headers),
    )


def to_message(stored: StoredObject, base_url: str) -> dict[str, Any]:
    """The object resource of the JSON API; links start with `base_url`."""
    path = f"/storage/v1/b/{stored.bucket}/o/{quote(stored.name, safe='')}"
    created = timestamp(stored.modified)
    extra = dict(stored.properties.extra)
    updated = extra.pop("updated", created)
    extra.pop("metageneration", None)
    message = {
        "kind": "storage#object",
        "id": f"{stored.bucket}/{stored.name}/{stored.generation}",
        "selfLink": base_url + path,
        "mediaLink": f"{base_url}/download{path}?generation={stored.generation}&alt=media",
        "name": stored.name,
        "bucket": stored.bucket,
        "generation": str(stored.generation),
        "metageneration": str(stored.metageneration),
        "storageClass": "STANDARD",
        "size": str(stored.size),
        "etag": etag(stored),
        "timeCreated": created,
        "updated": max(created, updated),
        "timeStorageClassUpdated": created,
    }
    message |= {"contentType": properties.DEFAULT_TYPE} | dict(stored.properties.headers)
    if stored.properties.metadata:
        message["metadata"] = dict(stored.properties.metadata)
    return message | stored.hashes | extra


def etag(stored: StoredObject) -> str:
    """The resource's entity tag: of its content and its metadata."""
    return base64.b64encode(f"{stored.generation}/{stored.metageneration}".encode()).decode()


def timestamp(moment: datetime) -> str:
    """RFC 3339 with milliseconds, as Cloud Storage prints it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
