"""Buckets: naming rules, labels, settings, deletion; and what a job's token may do with them."""

import secrets
from collections.abc import Callable

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import storage
from mypy_boto3_s3 import S3Client

from tests.support.versitygw import S3Server, free_port
from tests.workloads.api.storage.conftest import Surface, serve
from workloads import tokens


def test_create_and_get(client: storage.Client, boto: S3Client) -> None:
    """A bucket keeps location, labels and time, and boto3 sees it."""
    name = f"b-{secrets.token_hex(6)}"
    bucket = storage.Bucket(client, name)
    bucket.labels = {"team": "blue"}
    client.create_bucket(bucket, location="europe-west3")
    found = client.get_bucket(name)
    assert (found.location, found.labels, found.storage_class) == ("EUROPE-WEST3", {"team": "blue"}, "STANDARD")
    assert found.time_created is not None
    assert name in [each.name for each in client.list_buckets()]
    assert name in [each["Name"] for each in boto.list_buckets()["Buckets"]]
    with pytest.raises(exceptions.Conflict):
        client.create_bucket(name)


def test_labels_change(bucket: storage.Bucket) -> None:
    """A patch adds and removes labels and counts the metageneration."""
    bucket.labels = {"a": "1", "b": "2"}
    bucket.patch()
    bucket.labels = {"b": "3"}
    bucket.patch()
    bucket.reload()
    assert (bucket.labels, bucket.metageneration) == ({"b": "3"}, 3)


def test_delete(client: storage.Client, make_bucket: Callable[[], storage.Bucket]) -> None:
    """A bucket with objects stays unless forced; an absent one is a 404."""
    bucket = make_bucket()
    bucket.blob("x").upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    bucket.delete(force=True)
    assert not bucket.exists()
    with pytest.raises(exceptions.NotFound):
        client.get_bucket(bucket.name)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("x").upload_from_string(b"x")


@pytest.mark.parametrize("name", ["ab", "UPPER", "under_score", "-a-b", "a..b", "192.168.0.1", "google-x", "x" * 64])
def test_bad_names(surface: Surface, name: str) -> None:
    """Names against Cloud Storage's rules or the store's are a 400 with the rule."""
    answer = httpx.post(f"{surface.url}/storage/v1/b", json={"name": name}, headers=surface.headers())
    assert answer.status_code == 400
    assert "Invalid bucket name" in answer.json()["error"]["message"]


def test_settings_without_effect_are_refused(bucket: storage.Bucket) -> None:
    """Versioning, lifecycle and the like would do nothing, so they can't be set; switching them off can."""
    bucket.versioning_enabled = False
    bucket.patch()
    bucket.versioning_enabled = True
    with pytest.raises(exceptions.BadRequest, match="versioning"):
        bucket.patch()


def test_a_job_reaches_its_own_buckets_only(
    surface: Surface, make_bucket: Callable[[], storage.Bucket], client: storage.Client
) -> None:
    """A workload's token reads and writes its buckets; others, and managing buckets, are a 403."""
    own, other = make_bucket(), make_bucket()
    other.blob("secret").upload_from_string(b"secret")
    job = surface.client((own.name,))
    job.bucket(own.name).blob("x").upload_from_string(b"mine")
    assert job.bucket(own.name).blob("x").download_as_bytes() == b"mine"
    assert [bucket.name for bucket in job.list_buckets()] == [own.name]
    theirs = job.bucket(other.name)
    attempts: list[Callable[[], object]] = [
        theirs.reload,
        lambda: list(theirs.list_blobs()),
        theirs.blob("secret").download_as_bytes,
        lambda: theirs.blob("new").upload_from_string(b"x"),
        lambda: theirs.blob("new").upload_from_string(b"x" * (9 << 20)),
        theirs.blob("secret").delete,
        lambda: job.bucket(own.name).copy_blob(job.bucket(own.name).blob("x"), theirs, "stolen"),
        lambda: theirs.copy_blob(theirs.blob("secret"), job.bucket(own.name), "stolen"),
        lambda: job.create_bucket("b-of-a-job"),
        lambda: job.bucket(own.name).delete(),
    ]
    for attempt in attempts:
        with pytest.raises(exceptions.Forbidden):
            attempt()
    assert other.blob("secret").download_as_bytes() == b"secret"


def test_a_viewer_reads_every_bucket_and_changes_none(surface: Surface, bucket: storage.Bucket) -> None:
    """Listing and downloading work; each way to write, sessions and batches too, is a 403."""
    bucket.blob("x").upload_from_string(b"here")
    viewer = surface.client(role=tokens.ROLE_VIEWER)
    theirs = viewer.bucket(bucket.name)
    assert theirs.blob("x").download_as_bytes() == b"here"
    assert bucket.name in {each.name for each in viewer.list_buckets()}
    attempts: list[Callable[[], object]] = [
        lambda: theirs.blob("new").upload_from_string(b"x"),
        lambda: theirs.blob("new").upload_from_string(b"x" * (9 << 20)),
        theirs.blob("x").delete,
        lambda: theirs.copy_blob(theirs.blob("x"), theirs, "y"),
        lambda: theirs.blob("y").compose([theirs.blob("x")]),
        lambda: viewer.create_bucket("b-of-a-viewer"),
        theirs.delete,
    ]
    for attempt in attempts:
        with pytest.raises(exceptions.Forbidden):
            attempt()
    with pytest.raises(exceptions.Forbidden), viewer.batch():
        theirs.blob("x").delete()
    assert [blob.name for blob in bucket.list_blobs()] == ["x"]


def test_no_token_no_answer(surface: Surface, bucket: storage.Bucket) -> None:
    """Without a token, or with a broken one, everything is a 401, upload sessions too."""
    session = bucket.blob("x").create_resumable_upload_session()
    for url in (f"{surface.url}/storage/v1/b", f"{surface.url}/storage/v1/b/{bucket.name}/o/x?alt=media", session):
        for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
            assert httpx.request("PUT" if url == session else "GET", url, headers=headers).status_code == 401


def test_unserved_parts_say_so(surface: Surface, bucket: storage.Bucket) -> None:
    """Access control lists, IAM and notifications are a 501 in Google's error model."""
    for path in ("acl", "iam", "notificationConfigs", "o/x/acl", "defaultObjectAcl"):
        answer = httpx.get(f"{surface.url}/storage/v1/b/{bucket.name}/{path}", headers=surface.headers())
        assert answer.status_code == 501
        assert answer.json()["error"]["errors"][0]["reason"] == "notImplemented"


def test_a_store_that_is_down_is_a_503(
    s3: S3Server, surface: Surface, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """When the S3 server can't be reached the answer is the 503 that clients retry, not a 500."""
    gone = S3Server(f"http://127.0.0.1:{free_port()}", s3.access_key, s3.secret_key, s3.data)
    wrong = S3Server(s3.url, s3.access_key, "wrong", s3.data)
    for server in (gone, wrong):
        with serve(server, tmp_path_factory.mktemp("uploads"), free_port()) as broken:
            for path in ("b", "b/bucket-name/o", "b/bucket-name/o/x", "b/bucket-name/o/x?alt=media"):
                answer = httpx.get(f"{broken.url}/storage/v1/{path}", headers=broken.headers())
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, 503)
