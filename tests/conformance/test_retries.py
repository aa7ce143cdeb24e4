"""A job whose container the infrastructure ends: restarts and retries as Vertex defines them."""

from typing import Any

import pytest
from google.cloud import aiplatform, storage

from tests.conformance.jobs import FAILED, RUNNING, SUCCEEDED, error_of, eventually, python, submit, wait_for
from tests.support.stack import Stack


def roles(stack: Stack, job: aiplatform.CustomJob) -> list[str]:
    """What each run of a replica has printed first, in order."""
    return stack.logs(job.resource_name).split()


def start(stack: Stack, bucket: storage.Bucket, name: str, **run: Any) -> aiplatform.CustomJob:
    """A primary and a worker that run until an object tells them to end."""
    wait = f"while not pathlib.Path('/gcs/{bucket.name}/{name}').exists(): time.sleep(0.2)"
    primary, worker = (python(f"import pathlib, time\nprint('{role}')\n{wait}") for role in ("primary", "worker"))
    job = submit(name, primary, worker, **run)
    wait_for(job, RUNNING)
    assert eventually(lambda: sorted(roles(stack, job)) == ["primary", "worker"])
    return job


def kill_worker(stack: Stack, job: aiplatform.CustomJob) -> None:
    """As the infrastructure would."""
    name = next(each for each in stack.site.containers(stack.name, job.resource_name) if f"{job.name}-0-1-" in each)
    stack.site.kill_container(stack.name, name)


def finish(job: aiplatform.CustomJob, bucket: storage.Bucket, name: str) -> None:
    """It ends well."""
    bucket.blob(name).upload_from_string("now")
    assert wait_for(job) == SUCCEEDED, job.error


def test_a_worker_is_restarted(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A killed worker begins again; the primary goes on meanwhile."""
    job = start(stack, bucket, "one")
    kill_worker(stack, job)
    assert eventually(lambda: roles(stack, job).count("worker") == 2, 60)
    finish(job, bucket, "one")
    assert roles(stack, job).count("primary") == 1


def test_a_job_that_begins_again_with_its_worker(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """With restart_job_on_worker_restart a killed worker's whole job begins again."""
    job = start(stack, bucket, "all", restart_job_on_worker_restart=True)
    kill_worker(stack, job)
    assert eventually(lambda: sorted(roles(stack, job)) == ["primary", "primary", "worker", "worker"], 60)
    finish(job, bucket, "all")


@pytest.mark.parametrize("restart", [True, False])
def test_no_retries(stack: Stack, vertex: Any, bucket: storage.Bucket, restart: bool) -> None:
    """With disable_retries a killed worker fails the job, whatever restart_job_on_worker_restart says."""
    job = start(stack, bucket, f"none-{restart}", restart_job_on_worker_restart=restart, disable_retries=True)
    kill_worker(stack, job)
    assert wait_for(job) == FAILED
    assert "disableRetries" in error_of(job)
