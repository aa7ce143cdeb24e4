"""Jobs and storage: buckets as folders, Google's clients inside, and nothing that is another's."""

from typing import Any

from google.cloud import storage

from tests.conformance.jobs import SUCCEEDED, python, submit, wait_for
from tests.support.stack import Stack


def test_a_bucket_is_a_folder(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A job reads an uploaded object under /gcs/<bucket>, and what it writes there is an object at once."""
    bucket.blob("in/words.txt").upload_from_string("hello")
    code = (
        f"import pathlib; d = pathlib.Path('/gcs/{bucket.name}'); (d / 'out').mkdir(exist_ok=True);"
        "(d / 'out' / 'words.txt').write_text((d / 'in' / 'words.txt').read_text().upper())"
    )
    job = submit("gcs", python(code))
    assert wait_for(job) == SUCCEEDED, job.error
    assert bucket.blob("out/words.txt").download_as_text() == "HELLO"


def test_no_way_from_a_folder_into_another(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A job with a bucket's folder can't make a symbolic link there, which the object store would follow."""
    code = (
        "import os\n"
        f"try: os.symlink('/etc/passwd', '/gcs/{bucket.name}/link'); raise SystemExit('made a link')\n"
        "except PermissionError: print('REFUSED')\n"
    )
    job = submit("links", python(code))
    assert wait_for(job) == SUCCEEDED, job.error
    assert not bucket.blob("link").exists()


def test_google_clients_inside(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """In a job, a bare storage.Client() and google.auth.default() work with the job's own credentials."""
    code = (
        "import google.auth; from google.cloud import storage\n"
        "credentials, project = google.auth.default(); print('PROJECT', project)\n"
        f"storage.Blob.from_uri('gs://{bucket.name}/from-job', client=storage.Client()).upload_from_string('yes')\n"
    )
    job = submit("clients", python(code))
    assert wait_for(job) == SUCCEEDED, job.error
    assert bucket.blob("from-job").download_as_text() == "yes"
    assert f"PROJECT {stack.project}" in stack.logs(job.resource_name)


def test_boto3_inside(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """In a job, a bare boto3.client("s3") works with keys of the job's own; the list of all buckets is refused."""
    code = (
        "import boto3, botocore.exceptions; s3 = boto3.client('s3')\n"
        f"name, _, key = 'gs://{bucket.name}/from-s3'.removeprefix('gs://').partition('/')\n"
        "s3.put_object(Bucket=name, Key=key, Body=b'yes')\n"
        "try: s3.list_buckets(); raise SystemExit('listed them')\n"
        "except botocore.exceptions.ClientError as error: print(error.response['Error']['Code'])\n"
    )
    job = submit("boto3", python(code))
    assert wait_for(job) == SUCCEEDED, job.error
    assert bucket.blob("from-s3").download_as_text() == "yes"
    assert "AccessDenied" in stack.logs(job.resource_name)


def test_nothing_that_is_anothers(stack: Stack, vertex: Any, storage_client: storage.Client) -> None:
    """A job opens no bucket that its message does not name, by neither way, nor the engine, and is not root."""
    secret = storage_client.create_bucket(f"{stack.name}-not-yours")
    secret.blob("x").upload_from_string("private")
    hidden = f"'{stack.name}-' + 'not-yours'"  # not in one word: the message must not name the bucket
    code = (
        "import os; from google.cloud import storage; from google.api_core.exceptions import Forbidden\n"
        f"name = {hidden}\n"
        "try:\n    storage.Client().bucket(name).blob('x').download_as_bytes(); raise SystemExit('opened it')\n"
        "except Forbidden: print('FORBIDDEN')\n"
        "assert not os.path.exists('/gcs/' + name)\n"
        "assert not os.path.exists('/var/run/docker.sock')\n"
        "assert not os.path.exists('/var/run/secrets/kubernetes.io')\n"
        "assert os.getuid() != 0\n"
    )
    job = submit("curious", python(code))
    assert wait_for(job) == SUCCEEDED, (job.error, stack.logs(job.resource_name))
    secret.delete(force=True)
