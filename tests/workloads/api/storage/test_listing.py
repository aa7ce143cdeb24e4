"""Listing by prefix, delimiter, offsets and pages, in the order of Cloud Storage."""

import httpx
import pytest
from google.cloud import storage

from tests.workloads.api.storage.conftest import Surface

NAMES = ["a.txt", "a/1", "a/2", "a/b/3", "a0", "b/1", "c c/ü", "d"]


@pytest.fixture
def filled(bucket: storage.Bucket) -> storage.Bucket:
    """A bucket with NAMES in it."""
    for name in NAMES:
        bucket.blob(name).upload_from_string(name)
    return bucket


def names(bucket: storage.Bucket, **query: object) -> list[str]:
    """The names that a listing has."""
    return [blob.name for blob in bucket.list_blobs(**query)]


def test_everything_in_order_of_bytes(filled: storage.Bucket) -> None:
    """All objects, in the order of their names' bytes, whatever the page size."""
    assert names(filled) == NAMES
    for size in range(1, len(NAMES) + 1):
        assert names(filled, page_size=size) == NAMES
    assert names(filled, max_results=3) == NAMES[:3]


def test_prefix_and_delimiter(filled: storage.Bucket) -> None:
    """A delimiter folds what is below it into prefixes; pages of any size give the same."""
    for size in (1, 2, 3, 1000):
        pages = list(filled.list_blobs(delimiter="/", page_size=size).pages)
        assert [blob.name for page in pages for blob in page] == ["a.txt", "a0", "d"]
        assert [prefix for page in pages for prefix in page.prefixes] == ["a/", "b/", "c c/"]
    below = filled.list_blobs(prefix="a/", delimiter="/")
    assert ([blob.name for blob in below], set(below.prefixes)) == (["a/1", "a/2"], {"a/b/"})
    assert names(filled, prefix="a") == ["a.txt", "a/1", "a/2", "a/b/3", "a0"]
    assert names(filled, prefix="nothing") == []


def test_offsets(filled: storage.Bucket) -> None:
    """StartOffset is included, endOffset is not; names that don't exist work as offsets too."""
    assert names(filled, start_offset="a/2") == NAMES[2:]
    assert names(filled, end_offset="a0") == NAMES[:4]
    assert names(filled, start_offset="a/1", end_offset="b/") == ["a/1", "a/2", "a/b/3", "a0"]
    assert names(filled, start_offset="a/15", page_size=2) == NAMES[2:]


def test_trailing_delimiter(bucket: storage.Bucket) -> None:
    """A folder's placeholder is listed beside its prefix when that is asked for."""
    bucket.blob("f/").upload_from_string(b"")
    found = bucket.list_blobs(delimiter="/", include_trailing_delimiter=True)
    assert ([blob.name for blob in found], set(found.prefixes)) == (["f/"], {"f/"})
    assert names(bucket, delimiter="/") == []


def test_a_listing_tells_all_of_an_object(bucket: storage.Bucket) -> None:
    """Metadata, content type and hashes are those of a get."""
    blob = bucket.blob("x")
    blob.metadata = {"Key": "v"}
    blob.upload_from_string(b"hello", content_type="text/plain")
    listed = next(iter(bucket.list_blobs()))
    assert listed._properties == bucket.get_blob("x")._properties
    cheap = next(iter(bucket.list_blobs(fields="items(name,size,generation),nextPageToken")))
    assert (cheap.name, cheap.size, cheap.generation) == ("x", 5, blob.generation)


def test_bad_queries(surface: Surface, bucket: storage.Bucket) -> None:
    """A foreign page token, a malformed number or an unsupported filter is a 400 that names it."""
    url = f"{surface.url}/storage/v1/b/{bucket.name}/o"
    for query, word in (("pageToken=%FF", "pageToken"), ("maxResults=x", "maxResults"), ("matchGlob=**", "matchGlob")):
        answer = httpx.get(f"{url}?{query}", headers=surface.headers())
        assert (answer.status_code, word in answer.json()["error"]["message"]) == (400, True)
