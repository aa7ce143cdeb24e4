"""Client.batch(): many requests in one."""

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.workloads.api.storage.conftest import Surface


def test_a_batch_of_patches_and_deletes(client: storage.Client, bucket: storage.Bucket) -> None:
    """Each request of a batch is carried out, and its answer reaches its own object."""
    blobs = [bucket.blob(f"d/{number} ü") for number in range(20)]
    for blob in blobs:
        blob.upload_from_string(b"x")
    with client.batch():
        for blob in blobs[:10]:
            blob.metadata = {"number": blob.name}
            blob.patch()
        bucket.delete_blobs(blobs[10:])
    assert [blob.name for blob in bucket.list_blobs()] == sorted(blob.name for blob in blobs[:10])
    assert [blob.metadata["number"] for blob in blobs[:10]] == [blob.name for blob in blobs[:10]]
    assert bucket.get_blob(blobs[0].name).metadata == {"number": blobs[0].name}


def test_one_failure_leaves_the_others(client: storage.Client, bucket: storage.Bucket) -> None:
    """A request that fails is raised; those beside it are done."""
    bucket.blob("there").upload_from_string(b"x")
    with pytest.raises(exceptions.NotFound), client.batch():  # noqa: PT012  (the batch is sent at its end)
        bucket.blob("missing").delete()
        bucket.blob("there").delete()
    assert list(bucket.list_blobs()) == []


def test_a_batch_has_the_rights_of_its_token(surface: Surface, bucket: storage.Bucket) -> None:
    """A part can't bring a token of its own, nor reach what the batch's token does not open."""
    bucket.blob("x").upload_from_string(b"x")
    admin = surface.headers()["Authorization"]
    part = f"DELETE /storage/v1/b/{bucket.name}/o/x HTTP/1.1\r\nAuthorization: {admin}\r\n\r\n"
    body = f"--b\r\nContent-Type: application/http\r\n\r\n{part}\r\n--b--"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "Authorization": "Bearer nobody"}
    answer = httpx.post(f"{surface.url}/batch/storage/v1", content=body, headers=headers)
    assert "401 Unauthorized" in answer.text
    assert bucket.blob("x").exists()


def test_malformed_batches(surface: Surface) -> None:
    """What is no batch is a 400, and a part that is no request of this API gets one of its own."""
    url, headers = f"{surface.url}/batch/storage/v1", surface.headers()
    assert httpx.post(url, content=b"x", headers=headers).status_code == 400
    mixed = {**headers, "Content-Type": "multipart/mixed; boundary=b"}
    body = "--b\r\nContent-Type: application/http\r\n\r\nGET /v1/projects/p HTTP/1.1\r\n\r\n\r\n--b--"
    assert "400 Bad Request" in httpx.post(url, content=body, headers=mixed).text
