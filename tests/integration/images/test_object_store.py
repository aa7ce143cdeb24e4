"""The object store image on the real engine."""

import io
import json
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from docker.models.containers import Container

from infra.kinds.images import OBJECT_STORE
from tests.support.lab import BASE_IMAGE, Lab, wait_for, wait_until_healthy
from workloads import contract, tokens

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STACK, KEY = "mine", "a-signing-key-of-32-characters-xx"
OTHER_KEY = "another-key-of-32-characters-xxx"
ACCESS, SECRET = "an-access-key", "a-very-secret-key"


def start(lab: Lab) -> Container:
    """The store with two buckets, which the tokens of a stack open too."""
    lab.secrets = {
        contract.SECRET_OBJECT_STORE_ACCESS_KEY: ACCESS,
        contract.SECRET_OBJECT_STORE_SECRET_KEY: SECRET,
        contract.SECRET_SIGNING_KEY: KEY,
    }
    container = lab.run(
        "object-store",
        lab.image(OBJECT_STORE),
        ports=(contract.OBJECT_STORE_PORT,),
        volumes={"objects": contract.OBJECT_STORE_DATA_DIR},
        env={"CAIRN_BUCKETS": "alpha,beta", "CAIRN_STACK": STACK},
    )
    wait_until_healthy(container)
    return container


def client(
    lab: Lab, container: Container, secret: str = SECRET, access: str = ACCESS, session: str | None = None
) -> "S3Client":
    """boto3 as a user would make it."""
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{lab.port(container, contract.OBJECT_STORE_PORT)}",
        aws_access_key_id=access,
        aws_session_token=session,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 1}),
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


def workload(lab: Lab, container: Container, *, lifetime_s: float = 60, key: str = KEY, role: str = "") -> "S3Client":
    """boto3 as a job with bucket alpha has it."""
    principal = tokens.Principal("projects/p/locations/l/customJobs/1", role or tokens.ROLE_WORKLOAD, ("alpha",))
    token = tokens.sign(principal, STACK, key, lifetime_s)
    keys = tokens.s3_keys(token, key)
    return client(lab, container, keys.secret, keys.access, token)


def refused(call: Callable[[], Any]) -> bool:
    """Whether the call is forbidden, and not merely wrong."""
    try:
        call()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    return False


def test_a_jobs_keys_open_its_buckets_only(lab: Lab) -> None:
    """They read, write, list, copy and delete in its own buckets; other buckets, and their list, they don't open."""
    container = start(lab)
    root, s3 = client(lab, container), workload(lab, container)
    root.put_object(Bucket="beta", Key="theirs", Body=b"theirs")
    s3.put_object(Bucket="alpha", Key="a/mine", Body=b"mine")
    s3.upload_fileobj(io.BytesIO(bytes(9 << 20)), "alpha", "large")  # in parts
    s3.copy_object(Bucket="alpha", Key="copy", CopySource="alpha/a/mine")
    assert s3.get_object(Bucket="alpha", Key="copy")["Body"].read() == b"mine"
    s3.delete_object(Bucket="alpha", Key="copy")
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="alpha")["Contents"]] == ["a/mine", "large"]
    assert job(lab, "cat a/mine") == "mine"
    assert refused(lambda: s3.get_object(Bucket="beta", Key="theirs"))
    assert refused(lambda: s3.put_object(Bucket="beta", Key="new", Body=b"x"))
    assert refused(lambda: s3.list_objects_v2(Bucket="beta"))
    assert refused(lambda: s3.copy_object(Bucket="alpha", Key="stolen", CopySource="beta/theirs"))
    assert refused(lambda: s3.create_bucket(Bucket="gamma"))
    assert refused(lambda: s3.delete_bucket(Bucket="alpha"))
    assert refused(lambda: s3.put_bucket_policy(Bucket="alpha", Policy="{}"))
    assert refused(s3.list_buckets)
    assert [bucket["Name"] for bucket in root.list_buckets()["Buckets"]] == ["alpha", "beta"]


def test_keys_of_no_token_open_nothing(lab: Lab) -> None:
    """An expired token, one signed by somebody else, and keys that are not the token's are forbidden."""
    container = start(lab)
    expired, strange = workload(lab, container, lifetime_s=-60), workload(lab, container, key=OTHER_KEY)
    assert refused(lambda: expired.list_objects_v2(Bucket="alpha"))
    assert refused(lambda: strange.list_objects_v2(Bucket="alpha"))
    good = tokens.sign(tokens.Principal("j", tokens.ROLE_WORKLOAD, ("alpha",)), STACK, KEY, 60)
    keys = tokens.s3_keys(good, KEY)
    assert refused(lambda: client(lab, container, "0" * 64, keys.access, good).list_objects_v2(Bucket="alpha"))
    assert refused(lambda: client(lab, container, keys.secret, "CAIRNother", good).list_objects_v2(Bucket="alpha"))
    assert refused(lambda: client(lab, container, keys.secret, keys.access).list_objects_v2(Bucket="alpha"))


@pytest.mark.parametrize("which", ["python3", "versitygw"])
def test_who_tells_the_keys_and_the_server_end_together(lab: Lab, which: str) -> None:
    """Whichever is killed, the container ends, and the engine starts it anew."""
    container = start(lab)
    processes = container.top()["Processes"]
    (killed,) = [each[1] for each in processes if each[-1].startswith(which)]
    os.kill(int(killed), signal.SIGKILL)

    def has_ended() -> bool:
        container.reload()
        return bool(container.status == "exited")

    wait_for("the end", has_ended)


def test_a_restart_keeps_the_objects(lab: Lab) -> None:
    """A new container over the same volume serves the same objects, and makes no bucket twice."""
    client(lab, start(lab)).put_object(Bucket="alpha", Key="kept", Body=b"kept")
    s3 = client(lab, start(lab))
    assert s3.get_object(Bucket="alpha", Key="kept")["Body"].read() == b"kept"
