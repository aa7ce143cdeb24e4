"""Storage: buckets and objects by gs:// and s3:// alike."""

from typing import Any

import boto3
import pytest
from google.api_core import exceptions
from google.cloud import storage

from tests.support.stack import Stack


def s3(stack: Stack) -> Any:
    """boto3's client of the stack's object store."""
    return boto3.client(
        "s3",
        endpoint_url=stack.object_store_endpoint,
        aws_access_key_id=stack.access_key,
        aws_secret_access_key=stack.secret_key,
        region_name="us-east-1",
    )


def test_gs_and_s3_name_the_same_objects(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """What google-cloud-storage uploads, boto3 reads, and the other way round."""
    bucket.blob("both/gs").upload_from_string("from gs")
    assert s3(stack).get_object(Bucket=bucket.name, Key="both/gs")["Body"].read() == b"from gs"
    s3(stack).put_object(Bucket=bucket.name, Key="both/s3", Body=b"from s3")
    assert bucket.blob("both/s3").download_as_bytes() == b"from s3"
    assert {blob.name for blob in bucket.list_blobs(prefix="both/")} == {"both/gs", "both/s3"}


def test_a_large_object_comes_back_whole(stack: Stack, bucket: storage.Bucket) -> None:
    """An object of many chunks, uploaded resumably, is the same afterwards, whole and in part."""
    content = bytes(range(256)) * 4096 * 12
    blob = bucket.blob("large", chunk_size=4 << 20)
    blob.upload_from_string(content)
    assert blob.download_as_bytes() == content
    assert blob.download_as_bytes(start=1_000_000, end=1_000_009) == content[1_000_000:1_000_010]
    assert s3(stack).head_object(Bucket=bucket.name, Key="large")["ContentLength"] == len(content)


def test_preconditions(bucket: storage.Bucket) -> None:
    """An upload that must make a new object is refused when there is one."""
    bucket.blob("once").upload_from_string("first", if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once").upload_from_string("second", if_generation_match=0)
    assert bucket.blob("once").download_as_text() == "first"


def test_buckets(stack: Stack, storage_client: storage.Client) -> None:
    """Buckets are made, listed and deleted by either client; one with objects is not deleted."""
    name = f"{stack.name}-made"
    made = storage_client.create_bucket(name)
    assert name in [each["Name"] for each in s3(stack).list_buckets()["Buckets"]]
    made.blob("x").upload_from_string("x")
    with pytest.raises(exceptions.Conflict):
        made.delete()
    made.delete(force=True)
    assert name not in [each.name for each in storage_client.list_buckets()]


def test_storage_wants_a_key(stack: Stack, bucket: storage.Bucket) -> None:
    """A wrong S3 key opens nothing."""
    wrong = boto3.client(
        "s3",
        endpoint_url=stack.object_store_endpoint,
        aws_access_key_id=stack.access_key,
        aws_secret_access_key="wrong",
        region_name="us-east-1",
    )
    with pytest.raises(wrong.exceptions.ClientError, match=r"SignatureDoesNotMatch|Forbidden|403"):
        wrong.list_objects_v2(Bucket=bucket.name)
