"""The images' small Cloud Storage client against a real HTTP server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.storage_server import TOKEN, Faults, serve
from workloads import contract
from workloads.gcs import Client, StorageError, parse


@contextmanager
def client(folder: Path, faults: Faults | None = None, token: str = TOKEN) -> Iterator[Client]:
    """A client of a server over `folder`/buckets."""
    (folder / "buckets").mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    with serve(folder / "buckets", faults) as url:
        yield Client(url, str(folder / "token"), tries=2)


def put(folder: Path, name: str, content: bytes) -> None:
    """An object of bucket b."""
    path = folder / "buckets" / "b" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_listing_goes_through_all_pages(tmp_path: Path) -> None:
    """Five objects on three pages come in order; other prefixes don't."""
    for number in range(5):
        put(tmp_path, f"in/{number}", b"x" * number)
    put(tmp_path, "out/0", b"")
    with client(tmp_path) as gcs:
        found = list(gcs.list("gs://b/in/"))
    assert [(each.uri, each.size) for each in found] == [(f"gs://b/in/{n}", n) for n in range(5)]


def test_objects_go_up_and_come_down_unchanged(tmp_path: Path) -> None:
    """Bytes survive, names with spaces, slashes and signs too; a download makes the folders it needs."""
    (tmp_path / "source").write_bytes(bytes(range(256)) * 5000)
    uri = "gs://b/a folder/ü?#%+.bin"
    with client(tmp_path) as gcs:
        gcs.upload(uri, tmp_path / "source", "application/octet-stream")
        gcs.download(uri, tmp_path / "deep" / "target")
    assert (tmp_path / "deep" / "target").read_bytes() == (tmp_path / "source").read_bytes()


def test_a_transient_fault_is_tried_again_and_a_lasting_one_told(tmp_path: Path) -> None:
    """One 503 is not noticed, two are with the object's name; 404 and 401 are told at once with what to do."""
    put(tmp_path, "x", b"content")
    with client(tmp_path, Faults(statuses=[503])) as gcs, gcs.open("gs://b/x") as response:
        assert response.read() == b"content"
    with client(tmp_path, Faults(statuses=[503, 503])) as gcs, pytest.raises(StorageError, match="gs://b/x: HTTP 503"):
        gcs.open("gs://b/x")
    with client(tmp_path) as gcs, pytest.raises(StorageError, match="check the bucket and path"):
        gcs.open("gs://b/none")
    with client(tmp_path, token="other") as gcs, pytest.raises(StorageError, match="refused or expired"):
        gcs.open("gs://b/x")


def test_a_download_that_ends_early_goes_on(tmp_path: Path) -> None:
    """A connection cut in the middle never makes a short file; one that is cut again at once is told."""
    put(tmp_path, "x", b"0123456789")
    with client(tmp_path, Faults(cut_after=[3, 4])) as gcs:
        gcs.download("gs://b/x", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == b"0123456789"
    with (
        client(tmp_path, Faults(cut_after=[0, 0])) as gcs,
        pytest.raises(StorageError, match="broke again and again at byte 0"),
    ):
        gcs.download("gs://b/x", tmp_path / "target")


def test_the_environment_must_name_the_stack() -> None:
    """A container that the stack did not start is told what is missing."""
    with pytest.raises(StorageError, match=contract.ENV_API_ENDPOINT):
        Client.from_environment({})


def test_uris_are_taken_apart_or_refused() -> None:
    """Bucket and name; anything else is no Cloud Storage URI."""
    assert parse("gs://b/a/c") == ("b", "a/c")
    assert parse("gs://b") == ("b", "")
    for bad in ("b/a", "gs:///a", "s3://b/a", ""):
        with pytest.raises(ValueError, match="gs://bucket/path"):
            parse(bad)
