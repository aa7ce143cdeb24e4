"""The properties of an object that a client may set, and how they are kept in the S3 object's headers.

Used by uploads, copies and patches. What S3 has a header for is kept there, so boto3 sees it; what it has none for
(mixed-case metadata keys, customTime, metageneration) is one JSON header of ours.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from workloads.api.storage.errors import StorageError

META: Final = "x-amz-meta-"
EXTRA: Final = META + "cairn-extra"  # base64 JSON of what S3 has no header for
STORED_AT: Final = META + "cairn-stored-at"  # epoch seconds at which the content went through this API
_OURS: Final = "cairn-"
_PLAIN_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
HEADERS: Final = {
    "contentType": "content-type",
    "cacheControl": "cache-control",
    "contentDisposition": "content-disposition",
    "contentEncoding": "content-encoding",
    "contentLanguage": "content-language",
}
DEFAULT_TYPE: Final = "application/octet-stream"
# Settings that would promise what the store does not do. Empty and false values are harmless.
_REFUSED: Final = {
    "eventBasedHold": "holds",
    "temporaryHold": "holds",
    "retention": "retention",
    "kmsKeyName": "customer-managed encryption keys",
    "acl": "access control lists (access is by the stack's tokens)",
    "contexts": "object contexts",
}


@dataclass(frozen=True)
class Properties:
    """What a client may set on an object.

    Attributes:
        headers: contentType, cacheControl, … by their names in the JSON API.
        metadata: custom metadata.
        extra: the rest that is kept: customTime, componentCount, metageneration, updated.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_s3(self) -> dict[str, str]:
        """The request headers that keep all of it."""
        plain = {k: v for k, v in self.metadata.items() if _is_plain(k, v)}
        other = {k: v for k, v in self.metadata.items() if k not in plain}
        extra = dict(self.extra) | ({"metadata": other} if other else {})
        result = {HEADERS[k]: v for k, v in self.headers.items()} | {META + k: v for k, v in plain.items()}
        if extra:
            text = json.dumps(extra, sort_keys=True, separators=(",", ":"))
            result[EXTRA] = base64.b64encode(text.encode()).decode()
        return result

    def patched(self, message: Mapping[str, Any]) -> "Properties":
        """These properties with a patch applied: null removes, `metadata` is merged key by key.

        Raises:
            StorageError: 400, a property can't be set here.
        """
        cleared = {k for k in HEADERS if k in message and message[k] is None}
        headers = {k: v for k, v in self.headers.items() if k not in cleared}
        metadata = dict(self.metadata)
        if "metadata" in message:
            change = message["metadata"]
            metadata = {} if change is None else {k: v for k, v in (metadata | change).items() if v is not None}
        new = parse({k: v for k, v in message.items() if k != "metadata"} | {"metadata": metadata})
        extra = dict(self.extra) | dict(new.extra)
        return Properties(headers | dict(new.headers), new.metadata, extra)


def parse(message: Mapping[str, Any]) -> Properties:
    """The properties in a client's object resource; what only the server sets is ignored.

    Raises:
        StorageError: 400, a property can't be set here or is malformed.
    """
    for name, what in _REFUSED.items():
        if message.get(name):
            raise StorageError(400, f"'{name}' can't be set: this store has no {what}.")
    if message.get("storageClass") not in (None, "", "STANDARD"):
        raise StorageError(
            400, f"storageClass '{message['storageClass']}' has no meaning here; leave it out (STANDARD)."
        )
    headers = {k: _header(k, message[k]) for k in HEADERS if message.get(k)}
    metadata = message.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise StorageError(400, "'metadata' must be an object whose values are strings.")
    extra = {"customTime": message["customTime"]} if message.get("customTime") else {}
    return Properties(headers, metadata, extra)


def from_s3(headers: Mapping[str, str]) -> Properties:
    """The properties that an S3 answer's headers hold."""
    extra = _decode(headers.get(EXTRA, ""))
    other = extra.pop("metadata", {})
    plain = {
        k[len(META) :]: v for k, v in headers.items() if k.startswith(META + "") and not k.startswith(META + _OURS)
    }
    return Properties({k: headers[h] for k, h in HEADERS.items() if headers.get(h)}, plain | other, extra)


def _header(name: str, value: object) -> str:
    if not isinstance(value, str) or not _PRINTABLE.fullmatch(value):
        raise StorageError(400, f"'{name}' must be printable ASCII text, since it is sent as an HTTP header.")
    return value


def _is_plain(key: str, value: str) -> bool:
    return bool(_PLAIN_KEY.fullmatch(key) and _PRINTABLE.fullmatch(value)) and not key.startswith(_OURS)


def _decode(text: str) -> dict[str, Any]:
    """Our JSON header; an S3 client may have written anything there, which then counts as nothing."""
    try:
        value = json.loads(base64.b64decode(text, validate=True)) if text else {}
    except (binascii.Error, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
