"""Which bucket and object names the store can hold, checked before any of them is turned into a path.

versitygw keeps an object as the file <bucket>/<name>; a name that a file system would read as another one is refused.
"""

import re
from typing import Final

from workloads.api.storage.errors import StorageError

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_ADDRESS: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
_INVALID_UTF8: Final = re.compile("[\ud800-\udfff]")
_STORE_PRIVATE: Final = ".sgwtmp"  # versitygw's own folder in every bucket
MAX_NAME_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255


def check_new_bucket(name: str) -> None:
    """Raise a 400 unless the name follows Cloud Storage's rules and the store's."""
    if not _BUCKET.fullmatch(name) or ".." in name or _ADDRESS.fullmatch(name):
        raise StorageError(
            400,
            f"Invalid bucket name: {name!a}. Use 3 to 63 lowercase letters, digits, dots and dashes, a letter or digit "
            "at both ends, not an IP address (underscores, which Google allows, can't be in S3 bucket names).",
        )
    if name.startswith("goog") or "google" in name:
        raise StorageError(400, f"Invalid bucket name: {name!a}. It must not begin with 'goog' or contain 'google'.")


def check_bucket(name: str) -> None:
    """Raise a 404 for a name that no bucket can have, so that it never reaches a path."""
    if not _BUCKET.fullmatch(name):
        raise StorageError(404, f"{name!a}: The specified bucket does not exist.")


def check_object(name: str) -> None:
    """Raise a 400 that says why, when the store can't hold an object of this name."""
    why = _why_not(name)
    if why:
        raise StorageError(400, f"Invalid object name: {name!a}. {why}")


def _why_not(name: str) -> str:
    segments = name.removesuffix("/").split("/")
    size = len(name.encode("utf-8", "surrogatepass"))
    rules = (
        (1 <= size <= MAX_NAME_BYTES, f"It must have 1 to {MAX_NAME_BYTES} bytes."),
        (not _INVALID_UTF8.search(name), "It is not valid UTF-8."),
        (not _CONTROL.search(name), "Control characters can't be kept in the store's listings."),
        (
            not {"", ".", ".."} & set(segments),
            "The store keeps objects as files: no leading '/', no '//', and no '.' or '..' between slashes.",
        ),
        (_STORE_PRIVATE not in segments, f"'{_STORE_PRIVATE}' is the store's own folder."),
        (
            all(len(segment.encode("utf-8", "surrogatepass")) <= MAX_SEGMENT_BYTES for segment in segments),
            f"The store keeps objects as files: at most {MAX_SEGMENT_BYTES} bytes between two slashes.",
        ),
    )
    return next((why for holds, why in rules if not holds), "")
