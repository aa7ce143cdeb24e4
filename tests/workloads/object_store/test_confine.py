"""Links that a job makes in a bucket do not reach the object store's own files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.versitygw import S3Server, s3_server

LAUNCHER = """
import os, sys
from pathlib import Path
from workloads.object_store import confine
assert confine.to(Path(sys.argv[-1]), Path(sys.argv[1]))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A confined server."""
    with s3_server(tmp_path_factory.mktemp("s3"), [sys.executable, "-c", LAUNCHER]) as server:
        yield server


def test_a_confined_server_serves(server: S3Server) -> None:
    """Put, multipart, copy, list, delete and new buckets work as without."""
    boto = server.boto3()
    boto.create_bucket(Bucket="bucket")
    boto.put_object(Bucket="bucket", Key="a/b", Body=b"x" * 100)
    boto.copy_object(Bucket="bucket", Key="c/d", CopySource="bucket/a/b")
    upload = boto.create_multipart_upload(Bucket="bucket", Key="big")["UploadId"]
    part = boto.upload_part(Bucket="bucket", Key="big", UploadId=upload, PartNumber=1, Body=b"y" * (5 << 20))
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    boto.complete_multipart_upload(Bucket="bucket", Key="big", UploadId=upload, MultipartUpload=parts)  # type: ignore[arg-type]
    assert [each["Key"] for each in boto.list_objects_v2(Bucket="bucket")["Contents"]] == ["a/b", "big", "c/d"]
    assert boto.get_object(Bucket="bucket", Key="big")["ContentLength"] == 5 << 20
    boto.delete_object(Bucket="bucket", Key="a/b")


@pytest.mark.parametrize("target", ["/proc/self/environ", "/etc/passwd", "{outside}"])
def test_links_to_the_servers_files(server: S3Server, tmp_path: Path, target: str) -> None:
    """A link to the server's keys, its environment or any file outside of the objects can't be read or written."""
    boto = server.boto3()
    bucket = f"links-{len(target)}"
    boto.create_bucket(Bucket=bucket)
    outside = tmp_path / "object_store_secret_key"
    outside.write_text("secret")
    (server.data / bucket / "link").symlink_to(target.format(outside=outside))
    (server.data / bucket / "folder").symlink_to(tmp_path)
    for key in ("link", f"folder/{outside.name}"):
        with pytest.raises(ClientError):
            boto.get_object(Bucket=bucket, Key=key)
        with pytest.raises(ClientError):
            boto.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/{key}")
    with pytest.raises(ClientError):
        boto.put_object(Bucket=bucket, Key="folder/new", Body=b"x")
    assert outside.read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir()) == [outside.name]
