"""gs:// URIs. Pure."""

from typing import Final

_SCHEME: Final = "gs://"


def parse(uri: str) -> tuple[str, str]:
    """Bucket and object name (or prefix, possibly "") of a gs:// URI.

    Raises:
        ValueError: not a gs:// URI, or one without a bucket.
    """
    bucket, _, name = uri.removeprefix(_SCHEME).partition("/")
    if not uri.startswith(_SCHEME) or not bucket:
        raise ValueError(f"{uri!r} is not a Cloud Storage URI; it must look like gs://bucket/path")
    return bucket, name
