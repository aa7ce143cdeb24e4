"""The object store image on the real engine."""

import json
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from docker.models.containers import Container

from infra.kinds.images import OBJECT_STORE
from tests.support.lab import BASE_IMAGE, Lab, wait_until_healthy
from workloads import contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ACCESS, SECRET = "an-access-key", "a-very-secret-key"


def start(lab: Lab) -> Container:
    """The store with two buckets."""
    lab.secrets = {
        contract.SECRET_OBJECT_STORE_ACCESS_KEY: ACCESS,
        contract.SECRET_OBJECT_STORE_SECRET_KEY: SECRET,
    }
    container = lab.run(
        "object-store",
        lab.image(OBJECT_STORE),
        ports=(contract.OBJECT_STORE_PORT,),
        volumes={"objects": contract.OBJECT_STORE_DATA_DIR},
        env={"CAIRN_BUCKETS": "alpha,beta"},
    )
    wait_until_healthy(container)
    return container


def client(lab: Lab, container: Container, secret: str = SECRET) -> "S3Client":
    """boto3 as a user would make it."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{lab.port(container, contract.OBJECT_STORE_PORT)}",
        aws_access_key_id=ACCESS,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def job(lab: Lab, script: str) -> str:
    """Run a shell script in the folder of bucket alpha, as the user that jobs have."""
    mounts = {"objects": "/objects"}
    container = lab.run("job", BASE_IMAGE, ["sh", "-ec", f"cd /objects/alpha; {script}"], volumes=mounts)
    assert container.wait(timeout=60)["StatusCode"] == 0, container.logs().decode()
    return str(container.logs().decode())


def test_files_and_objects_are_the_same_things(lab: Lab) -> None:
    """A job's plain file is an object, an object is a job's plain file; both can be replaced from either side."""
    s3 = client(lab, start(lab))
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["alpha", "beta"]
    s3.put_object(Bucket="alpha", Key="from/s3.txt", Body=b"from s3", Metadata={"colour": "red"})
    assert (
        job(lab, "cat from/s3.txt; mkdir -p from/job; echo from job > from/job/file; echo more > from/more")
        == "from s3"
    )
    listed = [found["Key"] for found in s3.list_objects_v2(Bucket="alpha")["Contents"]]
    assert listed == ["from/job/file", "from/more", "from/s3.txt"]
    assert s3.get_object(Bucket="alpha", Key="from/job/file")["Body"].read() == b"from job\n"
    s3.put_object(Bucket="alpha", Key="from/job/file", Body=b"replaced")
    assert job(lab, "cat from/job/file; rm from/s3.txt from/more") == "replaced"
    assert [found["Key"] for found in s3.list_objects_v2(Bucket="alpha")["Contents"]] == ["from/job/file"]


@pytest.mark.parametrize("key", ["../beta/stolen", "a/../../beta/stolen", "../../etc/passwd"])
def test_keys_never_leave_their_bucket(lab: Lab, key: str) -> None:
    """A key with .. is refused for writing and reading, and nothing appears in the other bucket."""
    s3 = client(lab, start(lab))
    with pytest.raises(ClientError):
        s3.put_object(Bucket="alpha", Key=key, Body=b"x")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="alpha", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="beta")


def test_strangers_are_refused_and_the_keys_show_nowhere(lab: Lab) -> None:
    """A wrong key is refused; docker inspect, the process list and the log don't hold the keys."""
    container = start(lab)
    with pytest.raises(ClientError):
        client(lab, container, secret="wrong").list_buckets()
    shown = json.dumps(container.attrs) + json.dumps(container.top()) + container.logs().decode()
    assert SECRET not in shown
    assert ACCESS not in shown


def test_a_restart_keeps_the_objects(lab: Lab) -> None:
    """A new container over the same volume serves the same objects, and makes no bucket twice."""
    client(lab, start(lab)).put_object(Bucket="alpha", Key="kept", Body=b"kept")
    s3 = client(lab, start(lab))
    assert s3.get_object(Bucket="alpha", Key="kept")["Body"].read() == b"kept"
