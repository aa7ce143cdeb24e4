"""boto3 against the object store image alone."""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.integration.services.conftest import ObjectStoreServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1 << 20
BUCKET = "alpha"


@pytest.fixture(scope="module")
def s3(object_store: ObjectStoreServer) -> "Iterator[S3Client]":
    """A client with the right keys."""
    client = object_store.client()
    yield client
    client.close()


def refused(error: "pytest.ExceptionInfo[ClientError]") -> tuple[int, str]:
    """The status and S3's code."""
    said = error.value.response
    return said["ResponseMetadata"]["HTTPStatusCode"], said["Error"]["Code"]


def keys(s3: "S3Client", prefix: str) -> list[str]:
    """What the bucket lists under the prefix."""
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]


def test_put_get_range_head_delete(s3: "S3Client") -> None:
    """Bytes, type and metadata come back; a range is just that range; what is deleted is gone."""
    body = os.urandom(3000)
    s3.put_object(Bucket=BUCKET, Key="a/é b.bin", Body=body, ContentType="x/y", Metadata={"colour": "red"})
    got = s3.get_object(Bucket=BUCKET, Key="a/é b.bin")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (body, "x/y", {"colour": "red"})
    assert got["ETag"] == f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
    part = s3.get_object(Bucket=BUCKET, Key="a/é b.bin", Range="bytes=1000-1999")
    assert (part["Body"].read(), part["ContentRange"]) == (body[1000:2000], "bytes 1000-1999/3000")
    s3.delete_object(Bucket=BUCKET, Key="a/é b.bin")
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket=BUCKET, Key="a/é b.bin")
    assert refused(error) == (404, "NoSuchKey")


def test_multipart(s3: "S3Client") -> None:
    """boto3's transfer cuts 12 MiB in parts of 5; the object is whole, and its tag says how many parts there were."""
    body = os.urandom(12 * MIB)
    sizes = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, "parts/whole", Config=sizes)
    got = s3.get_object(Bucket=BUCKET, Key="parts/whole")
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(body).digest()
    assert got["ETag"].strip('"').endswith("-3")


def test_an_aborted_multipart_upload_leaves_nothing(s3: "S3Client") -> None:
    """Until it is completed there is no object; after the abort there is no upload either."""
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="aborted/x")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="aborted/x", UploadId=upload, PartNumber=1, Body=b"x" * MIB)
    assert keys(s3, "aborted/") == []
    s3.abort_multipart_upload(Bucket=BUCKET, Key="aborted/x", UploadId=upload)
    assert s3.list_multipart_uploads(Bucket=BUCKET, Prefix="aborted/").get("Uploads", []) == []
    assert keys(s3, "aborted/") == []


def test_presigned_urls(s3: "S3Client") -> None:
    """A signed URL writes and reads its one object without keys; for another key, or without signature, it is 403."""
    place = {"Bucket": BUCKET, "Key": "signed/x"}
    with httpx.Client(trust_env=False) as http:
        assert http.put(s3.generate_presigned_url("put_object", place), content=b"signed").status_code == 200
        url = s3.generate_presigned_url("get_object", place)
        assert http.get(url).content == b"signed"
        assert http.get(url.replace("signed/x", "signed/y")).status_code == 403
        assert http.get(url.partition("?")[0]).status_code == 403
        assert http.put(url, content=b"overwritten").status_code == 403
    assert s3.get_object(Bucket=BUCKET, Key="signed/x")["Body"].read() == b"signed"


def test_conditional_put(s3: "S3Client") -> None:
    """If-None-Match makes an object once only; If-Match replaces the version that was read, and no other."""
    key = "conditional/x"
    first = s3.put_object(Bucket=BUCKET, Key=key, Body=b"1", IfNoneMatch="*")["ETag"]
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"2", IfNoneMatch="*")
    assert refused(error) == (412, "PreconditionFailed")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"3", IfMatch=first)
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"4", IfMatch=first)
    assert refused(error) == (412, "PreconditionFailed")
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"3"


def test_listing_in_pages(s3: "S3Client") -> None:
    """Pages follow one another without gap or repeat, in the order of keys."""
    names = [f"pages/{number:02}" for number in range(25)]
    for name in names:
        s3.put_object(Bucket=BUCKET, Key=name, Body=b"")
    pages = list(
        s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix="pages/", PaginationConfig={"PageSize": 10})
    )
    assert [len(page["Contents"]) for page in pages] == [10, 10, 5]
    assert [found["Key"] for page in pages for found in page["Contents"]] == names


def attempts(client: "S3Client") -> "Iterator[Callable[[], object]]":
    """One call of each sort."""
    yield partial(client.put_object, Bucket=BUCKET, Key="stolen", Body=b"x")
    yield partial(client.get_object, Bucket=BUCKET, Key="stolen")
    yield partial(client.list_objects_v2, Bucket=BUCKET)
    yield client.list_buckets


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"secret_key": "wrong"}, (403, "SignatureDoesNotMatch")),
        ({"access_key": "nobody"}, (404, "XAdminUserNotFound")),  # versitygw's own word for InvalidAccessKeyId
    ],
)
def test_wrong_keys_are_refused(object_store: ObjectStoreServer, wrong: dict[str, str], said: tuple[int, str]) -> None:
    """With a wrong secret or an unknown access key nothing is written, read or listed."""
    stranger = object_store.client(**wrong)
    for attempt in attempts(stranger):
        with pytest.raises(ClientError) as error:
            attempt()
        assert refused(error) == said
    stranger.close()
    assert keys(object_store.client(), "stolen") == []
