"""Hostile object names: each is either kept faithfully or refused with the reason, and none leaves its bucket."""

from http.client import HTTPConnection
from urllib.parse import quote

import httpx
import pytest
from google.cloud import storage
from hypothesis import given
from hypothesis import strategies as st

from tests.support.versitygw import S3Server
from tests.workloads.api.storage.conftest import Surface
from workloads.api.storage import names
from workloads.api.storage.errors import StorageError

REFUSED = [
    "", "/x", "a//b", "//", "../x", "a/../b", "..", ".", "a/./b", "./x", "a/..", "x\n", "x\x00y", "\x1b[31m",
    ".sgwtmp/x", "a/.sgwtmp/b", "a" * 256, "a/" + "b" * 300, "a/" * 600, "a/../../other-bucket/secret",
]  # fmt: skip
KEPT = [
    "a b", "ü/你/🙂", "a%2Fb", "a%2e%2e/b", "%2e%2e", "a+b", "a&b=c?d#e", "...", "a...b", "..a/b..", "-x", "~", "a\\b",
    "'quoted' \"twice\"", "<xml>&amp;", "e\u0301", "\u00e9", " lead", "trail ", "a\u200bb", "x" * 255,
]  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused_names(surface: Surface, bucket: storage.Bucket, name: str) -> None:
    """Every way to name such an object is a 400 (or, with an empty name, no such path), also as a copy's target."""
    bucket.blob("ok").upload_from_string(b"ok")
    base, path = f"{surface.url}/storage/v1/b/{bucket.name}/o", quote(name, safe="").replace(".", "%2E")
    upload = f"{surface.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name={path}"
    answers = [
        httpx.post(upload, content=b"x", headers=surface.headers()),
        httpx.post(f"{base}/ok/copyTo/b/{bucket.name}/o/{path}", headers=surface.headers()),
        httpx.post(f"{base}/ok/rewriteTo/b/{bucket.name}/o/{path}", headers=surface.headers()),
    ]
    raw = httpx.URL(base).copy_with(raw_path=f"/storage/v1/b/{bucket.name}/o/{path}".encode())
    answers += [httpx.request(verb, raw, headers=surface.headers()) for verb in ("GET", "DELETE", "PATCH")]
    assert [answer.status_code for answer in answers] == [400] * len(answers), [answer.text for answer in answers]
    assert [blob.name for blob in bucket.list_blobs()] == ["ok"]


@pytest.mark.parametrize("name", KEPT)
def test_kept_names(bucket: storage.Bucket, name: str, s3: S3Server) -> None:
    """Odd but possible names come back as they went in, and their file lies within the bucket's folder."""
    bucket.blob(name).upload_from_string(name)
    assert bucket.blob(name).download_as_text() == name
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    assert (s3.data / bucket.name / name).read_text() == name
    bucket.blob(name).delete()
    assert list(bucket.list_blobs()) == []


def test_an_unencoded_path_is_not_normalised(surface: Surface, bucket: storage.Bucket) -> None:
    """Dots and slashes sent raw reach no other bucket either."""
    for path in ("../../b", "..%2f..%2fb", "x/../../../b", ".%2e/x"):
        connection = HTTPConnection(httpx.URL(surface.url).netloc.decode())  # unlike others, it sends a path as it is
        connection.request("GET", f"/storage/v1/b/{bucket.name}/o/{path}", headers=surface.headers())
        assert connection.getresponse().status in (400, 501), path
        connection.close()


@given(st.text(max_size=40))
def test_whatever_passes_stays_below_its_bucket(name: str) -> None:
    """No name that is accepted has a segment that a file system would read as another place."""
    try:
        names.check_object(name)
    except StorageError as error:
        error.to_response()  # can be sent, whatever the name was
        return
    segments = name.removesuffix("/").split("/")
    assert all(segment not in ("", ".", "..") for segment in segments)
    assert "\x00" not in name
