"""Content goes in and out: all kinds of upload, sessions over a restart, ranges, hashes, files that jobs write."""

import gzip
import io
import os
import re
import secrets
import time
from pathlib import Path

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.support.versitygw import S3Server, free_port
from tests.workloads.api.storage.conftest import Surface, serve

MIB = 1 << 20


def test_media_upload(surface: Surface, bucket: storage.Bucket) -> None:
    """A plain media upload takes name and content type from the request; its hashes are Google's."""
    url = f"{surface.url}/upload/storage/v1/b/{bucket.name}/o"
    headers = {**surface.headers(), "Content-Type": "text/plain"}
    answer = httpx.post(url, params={"uploadType": "media", "name": "m"}, content=b"hello", headers=headers)
    assert answer.json()["crc32c"] == "mnG7TA=="
    assert answer.json()["contentType"] == "text/plain"
    assert bucket.blob("m").download_as_bytes() == b"hello"


@pytest.mark.parametrize("size", [0, 1, 65_536, MIB, MIB + 1, 7 * MIB])
def test_multipart_upload_of_any_size(bucket: storage.Bucket, size: int) -> None:
    """The content between the boundaries arrives byte for byte, in memory and on disk."""
    content = os.urandom(size)
    bucket.blob("x").upload_from_string(content)
    assert bucket.blob("x").download_as_bytes() == content


def test_content_that_looks_like_a_boundary(bucket: storage.Bucket) -> None:
    """Line breaks and dashes in the content are content."""
    content = b"\r\n--\r\n\r\n--=====" * 1000 + b"\r\n"
    bucket.blob("x").upload_from_string(content)
    assert bucket.blob("x").download_as_bytes() == content


@pytest.mark.parametrize("chunk", [None, 256 * 1024, 5 * MIB])
def test_resumable_upload(bucket: storage.Bucket, chunk: int | None) -> None:
    """A resumable upload in one request or in chunks, of known and of unknown size, is whole."""
    content = os.urandom(9 * MIB + 17)
    blob = bucket.blob("big", chunk_size=chunk)
    blob.upload_from_file(io.BytesIO(content), size=len(content))
    assert bucket.get_blob("big").size == len(content)
    assert blob.download_as_bytes() == content
    with bucket.blob("stream").open("wb", chunk_size=MIB) as file:
        file.write(content)
    assert bucket.blob("stream").download_as_bytes() == content


def test_a_session_survives_a_restart(s3: S3Server, tmp_path: Path) -> None:
    """The API stops between two chunks; the session says how much it has, and is finished at the new process."""
    content = os.urandom(3 * MIB)
    port, uploads = free_port(), tmp_path / "uploads"
    with serve(s3, uploads, port) as before:
        bucket = before.client().create_bucket(f"b-{secrets.token_hex(6)}")
        session = bucket.blob("resumed").create_resumable_upload_session(content_type="text/plain", size=len(content))
        headers = {**before.headers(), "Content-Range": f"bytes 0-{2 * MIB - 1}/{len(content)}"}
        answer = httpx.put(session, content=content[: 2 * MIB], headers=headers)
        assert (answer.status_code, answer.headers["range"]) == (308, f"bytes=0-{2 * MIB - 1}")
    with serve(s3, uploads, port) as after:
        headers = {**after.headers(), "Content-Range": "bytes */*"}
        assert httpx.put(session, headers=headers).headers["range"] == f"bytes=0-{2 * MIB - 1}"
        headers["Content-Range"] = f"bytes {2 * MIB}-{len(content) - 1}/{len(content)}"
        done = httpx.put(session, content=content[2 * MIB :], headers=headers)
        assert (done.status_code, done.json()["contentType"]) == (200, "text/plain")
        again = httpx.put(session, headers={**after.headers(), "Content-Range": "bytes */*"})
        assert again.json() == done.json()
        assert after.client().bucket(bucket.name).blob("resumed").download_as_bytes() == content


def test_what_a_session_refuses(surface: Surface, bucket: storage.Bucket) -> None:
    """A gap, a malformed range and a cancelled session are errors; bytes sent twice are taken once."""
    session = bucket.blob("s").create_resumable_upload_session()
    put = {"headers": surface.headers()}
    headers = surface.headers()
    gap = httpx.put(session, content=b"x", headers={**headers, "Content-Range": "bytes 5-5/10"})
    assert gap.status_code == 400
    assert httpx.put(session, headers={**headers, "Content-Range": "bytes x"}).status_code == 400
    for _ in range(2):
        again = httpx.put(session, content=b"01234", headers={**headers, "Content-Range": "bytes 0-4/10"})
        assert (again.status_code, again.headers["range"]) == (308, "bytes=0-4")
    over = httpx.put(session, content=b"3456789", headers={**headers, "Content-Range": "bytes 3-9/10"})
    assert over.status_code == 200
    assert bucket.blob("s").download_as_bytes() == b"0123456789"
    other = bucket.blob("t").create_resumable_upload_session()
    assert httpx.delete(other, **put).status_code == 499  # type: ignore[arg-type]
    assert httpx.put(other, content=b"x", **put).status_code == 404  # type: ignore[arg-type]


def test_a_session_id_is_no_path(surface: Surface, bucket: storage.Bucket) -> None:
    """An upload id that names a place outside of the sessions is not found."""
    url = f"{surface.url}/upload/storage/v1/b/{bucket.name}/o"
    for bad in ("../../etc", "..", ".", "a/b", "%00" * 20, "x" * 400):
        answer = httpx.put(url, params={"uploadType": "resumable", "upload_id": bad}, headers=surface.headers())
        assert answer.status_code == 404


def test_wrong_checksums_are_refused(surface: Surface, bucket: storage.Bucket) -> None:
    """A content that does not match the CRC32C or MD5 sent with it is a 400, and no object comes of it."""
    url = f"{surface.url}/upload/storage/v1/b/{bucket.name}/o"
    for sums in ("crc32c=AAAAAA==", "md5=AAAAAAAAAAAAAAAAAAAAAA=="):
        headers = {**surface.headers(), "X-Goog-Hash": sums}
        answer = httpx.post(url, params={"uploadType": "media", "name": "bad"}, content=b"hello", headers=headers)
        assert answer.status_code == 400, answer.text
    assert not bucket.blob("bad").exists()


def test_ranges(bucket: storage.Bucket) -> None:
    """Any part can be read; a range beyond the end is a 416, and an empty object reads as empty."""
    content = os.urandom(3 * MIB)
    blob = bucket.blob("r")
    blob.upload_from_string(content)
    assert blob.download_as_bytes(start=10, end=19) == content[10:20]
    assert blob.download_as_bytes(start=len(content) - 5) == content[-5:]
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=len(content))
    chunked = bucket.blob("r", chunk_size=MIB)
    buffer = io.BytesIO()
    chunked.download_to_file(buffer)
    assert buffer.getvalue() == content
    with blob.open("rb") as file:
        file.seek(2 * MIB)
        assert file.read(100) == content[2 * MIB : 2 * MIB + 100]
    bucket.blob("empty").upload_from_string(b"")
    assert bucket.blob("empty", chunk_size=MIB).download_as_bytes() == b""


def test_gzip_encoding_is_kept(bucket: storage.Bucket) -> None:
    """An object stored with Content-Encoding gzip is decoded by the client, or raw when it asks so."""
    blob = bucket.blob("z")
    blob.content_encoding = "gzip"
    packed = gzip.compress(b"hello " * 1000)
    blob.upload_from_string(packed, content_type="text/plain")
    assert blob.download_as_bytes() == b"hello " * 1000
    assert blob.download_as_bytes(raw_download=True) == packed


def test_a_file_that_a_job_wrote(bucket: storage.Bucket, s3: S3Server) -> None:
    """A plain file in the bucket's folder is an object: listed, downloadable, with a generation, and guarded."""
    folder = s3.data / bucket.name / "model"
    folder.mkdir()
    (folder / "model.joblib").write_bytes(b"written by a job")
    blob = bucket.get_blob("model/model.joblib")
    assert [found.name for found in bucket.list_blobs()] == ["model/model.joblib"]
    assert (blob.download_as_bytes(), blob.size, blob.crc32c) == (b"written by a job", 16, None)
    assert blob.generation == next(iter(bucket.list_blobs())).generation
    with pytest.raises(exceptions.PreconditionFailed):
        blob.upload_from_string(b"x", if_generation_match=0)
    copied = bucket.copy_blob(blob, bucket, "copy")
    assert copied.crc32c
    assert copied.download_as_bytes(checksum="crc32c") == b"written by a job"
    blob.delete()


def test_a_file_that_a_job_overwrote_in_place(bucket: storage.Bucket, s3: S3Server) -> None:
    """Old hashes are not served for new content; the client's check of the download passes."""
    blob = bucket.blob("weights")
    blob.upload_from_string(b"before")
    path = s3.data / bucket.name / "weights"
    path.write_bytes(b"after!")
    os.utime(path, (time.time() + 60, time.time() + 60))  # as if the job had run a minute later
    found = bucket.get_blob("weights")
    assert (found.crc32c, found.md5_hash) == (None, None)
    assert found.download_as_bytes() == b"after!"
    assert found.generation != blob.generation


def test_a_broken_multipart_body(surface: Surface, bucket: storage.Bucket) -> None:
    """A multipart body without boundary, end or valid metadata is a 400, and nothing is stored."""
    url = f"{surface.url}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    meta = b'--b\r\nContent-Type: application/json\r\n\r\n{"name": "x"}\r\n'
    whole = meta + b"--b\r\nContent-Type: text/plain\r\n\r\nhi\r\n--b--"
    cases = {
        "multipart/related": whole,
        "multipart/related; boundary=c": whole,
        "multipart/related; boundary=b": whole[:-8],
        'multipart/related; boundary="b"': whole.replace(b'{"name": "x"}', b"not json"),
    }
    for content_type, body in cases.items():
        headers = {**surface.headers(), "Content-Type": content_type}
        answer = httpx.post(url, content=body, headers=headers)
        assert answer.status_code == 400, (content_type, answer.text)
        assert answer.json()["error"]["errors"][0]["reason"] == "invalid"
    assert not list(bucket.list_blobs())
    good = httpx.post(
        url, content=whole, headers={**surface.headers(), "Content-Type": "multipart/related; boundary=b"}
    )
    assert good.json()["size"] == "2"


def test_links_lead_to_where_the_client_is(surface: Surface, bucket: storage.Bucket) -> None:
    """selfLink, mediaLink and the session's address use the host that the client asked."""
    bucket.blob("a b").upload_from_string(b"hello")
    blob = bucket.get_blob("a b")
    assert httpx.get(blob.self_link, headers=surface.headers()).json()["name"] == "a b"
    assert httpx.get(blob.media_link, headers=surface.headers()).content == b"hello"
    assert re.match(surface.url, bucket.blob("s").create_resumable_upload_session())
