"""Custom jobs on a real stack, by Google's SDK: states, contract, files, logs, usage, cancel, queue, isolation."""

import json
import time
from collections.abc import Callable
from typing import Any

import docker
import httpx
import pytest
from google.cloud import aiplatform, storage
from google.cloud.aiplatform_v1.types import JobState

from tests.support.stack import Stack
from workloads import contract

IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
MACHINE = "n1-standard-2"
LARGEST = "n1-standard-8"  # leaves no room for another, see tests/support/stack.py


def python_pool(code: str, replicas: int = 1, machine: str = MACHINE) -> dict[str, Any]:
    """A worker pool whose replicas run this Python code in the prebuilt training image."""
    return {
        "machine_spec": {"machine_type": machine},
        "replica_count": replicas,
        "container_spec": {"image_uri": IMAGE, "command": ["python3", "-c", code]},
    }


def submit(name: str, *pools: dict[str, Any], **run: Any) -> aiplatform.CustomJob:
    """A submitted job of these pools."""
    job = aiplatform.CustomJob(display_name=name, worker_pool_specs=list(pools))
    job.submit(**run)
    return job


def wait_for(job: aiplatform.CustomJob, *states: int, seconds: float = 90) -> int:
    """The job's state once it is one of `states`."""
    deadline = time.monotonic() + seconds
    while job.state not in states:
        assert time.monotonic() < deadline, f"{job.display_name} is {job.state}, not {states}, after {seconds} s"
        time.sleep(0.3)
    return int(job.state)


DONE = (JobState.JOB_STATE_SUCCEEDED, JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)


def error_of(job: aiplatform.CustomJob) -> str:
    """The text of the job's error."""
    assert job.error is not None
    return str(job.error.message)


def logs(stack: Stack, job: aiplatform.CustomJob) -> str:
    """All that the job has printed."""
    url = f"{stack.api_endpoint}{contract.PATH_EXTENSION}/logs/{job.resource_name}"
    return httpx.get(url, headers=stack.headers, timeout=30).raise_for_status().text


def test_contract_environment(stack: Stack, vertex: Any) -> None:
    """A job sees Vertex's environment, and its logs and usage are there once it has succeeded."""
    code = "import os, json; print('ENV ' + json.dumps(dict(os.environ)))"
    job = aiplatform.CustomJob(
        display_name="contract",
        worker_pool_specs=[python_pool(code)],
        base_output_dir=f"gs://{stack.staging_bucket}/contract",
    )
    job.run()
    line = next(line for line in logs(stack, job).splitlines() if "ENV {" in line)
    env = json.loads(line[line.index("{") :])
    base = f"gs://{stack.staging_bucket}/contract"
    assert env["AIP_MODEL_DIR"] == f"{base}/model/"
    assert env["AIP_CHECKPOINT_DIR"] == f"{base}/checkpoints/"
    assert env["AIP_TENSORBOARD_LOG_DIR"] == f"{base}/logs/"
    assert env["CLOUD_ML_JOB_ID"] == job.name
    assert json.loads(env["CLUSTER_SPEC"])["task"] == {"type": "workerpool0", "index": 0}
    assert stack.token not in json.dumps(env), "the platform's own token never reaches a job"
    usage = {row["name"]: row for row in stack.get(f"{contract.PATH_EXTENSION}/usage")["jobs"]}
    assert usage[job.resource_name]["price"] > 0
    assert usage[job.resource_name]["cpu_seconds"] > 0


def test_failure_tells_why(stack: Stack, vertex: Any) -> None:
    """A job whose program fails is FAILED, with the exit code and its last words in the error."""
    job = submit("fails", python_pool("print('my last words'); raise SystemExit(3)"))
    assert wait_for(job, *DONE) == JobState.JOB_STATE_FAILED
    assert "3" in error_of(job)
    assert "my last words" in error_of(job)


def test_out_of_memory_tells_why(stack: Stack, vertex: Any) -> None:
    """A job that takes more memory than its machine has is FAILED and told so."""
    job = submit("oom", python_pool("x = [bytearray(64 << 20) for _ in range(1000)]"))
    assert wait_for(job, *DONE) == JobState.JOB_STATE_FAILED
    assert "memory" in error_of(job)


def test_cancel(stack: Stack, vertex: Any) -> None:
    """A running job that is cancelled ends CANCELLED and leaves no container."""
    job = submit("cancelled", python_pool("import time; time.sleep(600)"))
    wait_for(job, JobState.JOB_STATE_RUNNING)
    job.cancel()
    assert wait_for(job, *DONE, seconds=60) == JobState.JOB_STATE_CANCELLED
    assert eventually_no_container(job)


def eventually_no_container(job: aiplatform.CustomJob, seconds: float = 30) -> bool:
    """Whether the job's containers are gone within the time."""
    label = f"{contract.LABEL_RESOURCE}={job.resource_name}"
    return eventually(lambda: not docker.from_env().containers.list(all=True, filters={"label": label}), seconds)


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition holds within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def test_timeout(stack: Stack, vertex: Any) -> None:
    """A job that outlives its timeout is ended, and told so."""
    job = submit("timeout", python_pool("import time; time.sleep(600)"), timeout=3)
    assert wait_for(job, *DONE) in (JobState.JOB_STATE_FAILED, JobState.JOB_STATE_CANCELLED)
    assert "timeout" in error_of(job).lower()


def test_worker_pools_reach_each_other(stack: Stack, vertex: Any) -> None:
    """Two pools of a job run together, and each finds the other under the address in CLUSTER_SPEC."""
    server = (
        "import socket; s = socket.create_server(('', 2222)); s.settimeout(60);"
        "[print('GREETED BY', s.accept()[0].recv(64).decode()) for _ in range(2)]"
    )
    client = (
        "import json, os, socket, time\n"
        "spec = json.loads(os.environ['CLUSTER_SPEC']); host, port = spec['cluster']['workerpool0'][0].split(':')\n"
        "for _ in range(100):\n"
        "    try:\n"
        "        s = socket.create_connection((host, int(port)), 2); break\n"
        "    except OSError: time.sleep(0.2)\n"
        "s.sendall(f\"{spec['task']['type']}-{spec['task']['index']}\".encode()); s.close(); time.sleep(30)\n"
    )
    job = submit("pools", python_pool(server), python_pool(client, replicas=2))
    assert wait_for(job, *DONE, seconds=120) == JobState.JOB_STATE_SUCCEEDED, job.error
    text = logs(stack, job)
    assert "GREETED BY workerpool1-0" in text
    assert "GREETED BY workerpool1-1" in text


def test_gcs_folder_is_the_bucket(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A job reads an uploaded object under /gcs/<bucket>, and what it writes there is an object at once."""
    bucket.blob("in/words.txt").upload_from_string("hello")
    code = (
        f"import pathlib; d = pathlib.Path('/gcs/{bucket.name}'); (d / 'out').mkdir(exist_ok=True);"
        "(d / 'out' / 'words.txt').write_text((d / 'in' / 'words.txt').read_text().upper())"
    )
    job = submit("gcs", python_pool(code))
    assert wait_for(job, *DONE) == JobState.JOB_STATE_SUCCEEDED, job.error
    assert bucket.blob("out/words.txt").download_as_text() == "HELLO"


def test_google_clients_inside_a_job(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """In a job, a bare storage.Client() and google.auth.default() work with the job's own credentials."""
    code = (
        "import google.auth; from google.cloud import storage\n"
        "credentials, project = google.auth.default(); print('PROJECT', project)\n"
        f"storage.Blob.from_uri('gs://{bucket.name}/from-job', client=storage.Client()).upload_from_string('yes')\n"
    )
    job = submit("clients", python_pool(code))
    assert wait_for(job, *DONE) == JobState.JOB_STATE_SUCCEEDED, job.error
    assert bucket.blob("from-job").download_as_text() == "yes"
    assert f"PROJECT {stack.project}" in logs(stack, job)


def test_a_job_opens_only_its_buckets(stack: Stack, vertex: Any, storage_client: storage.Client) -> None:
    """A job's credentials do not open a bucket that its message does not name, and /gcs does not show it."""
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
        "assert os.getuid() != 0\n"
    )
    job = submit("curious", python_pool(code))
    assert wait_for(job, *DONE) == JobState.JOB_STATE_SUCCEEDED, (job.error, logs(stack, job))
    secret.delete(force=True)


def test_full_machine_queues(stack: Stack, vertex: Any) -> None:
    """What does not fit waits QUEUED with its position and the reason, and runs when there is room."""
    big = LARGEST
    first = submit("fills", python_pool("import time; time.sleep(8)", machine=big))
    wait_for(first, JobState.JOB_STATE_RUNNING)
    second = submit("waits", python_pool("print('at last')", machine=big))
    assert eventually(lambda: queued(stack, second) is not None, 10)
    entry = queued(stack, second)
    assert entry is not None
    assert entry["position"] == 1
    assert "CPU" in entry["reason"] or "memory" in entry["reason"]
    assert second.state == JobState.JOB_STATE_QUEUED
    assert wait_for(second, *DONE) == JobState.JOB_STATE_SUCCEEDED


def queued(stack: Stack, job: aiplatform.CustomJob) -> dict[str, Any] | None:
    """The job's entry in the stack's queue."""
    queue = stack.get(f"{contract.PATH_EXTENSION}/status")["queue"]
    return next((entry for entry in queue if entry["name"] == job.resource_name), None)


def test_list_and_delete(stack: Stack, vertex: Any) -> None:
    """Jobs are found by filter and label, and a finished one can be deleted."""
    job = aiplatform.CustomJob(display_name="listed", worker_pool_specs=[python_pool("pass")], labels={"team": "blue"})
    job.run()
    found = aiplatform.CustomJob.list(filter='display_name="listed" AND labels.team="blue"')
    assert [other.resource_name for other in found] == [job.resource_name]
    job.delete()
    assert not aiplatform.CustomJob.list(filter='display_name="listed"')


@pytest.mark.parametrize("victim", [contract.CONTROLLERS_HOST, contract.API_HOST])
def test_a_job_survives_the_platform(stack: Stack, vertex: Any, victim: str) -> None:
    """A running job ends once and well though the controllers (or the API) are killed meanwhile."""
    job = submit("survivor", python_pool("import time; time.sleep(6); print('survived')"))
    wait_for(job, JobState.JOB_STATE_RUNNING)
    container = docker.from_env().containers.get(stack.container(victim))
    container.kill()
    container.start()
    stack.wait_healthy()
    assert wait_for(job, *DONE) == JobState.JOB_STATE_SUCCEEDED, job.error
    assert logs(stack, job).count("survived") == 1
