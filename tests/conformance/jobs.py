"""Custom jobs for the suite's tests: made, waited for, looked at."""

import time
from collections.abc import Callable
from typing import Any, Final

from google.cloud import aiplatform
from google.cloud.aiplatform_v1.types import JobState

from tests.support.stack import Stack

IMAGE: Final = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
MACHINE: Final = "n1-standard-2"
LARGEST: Final = "n1-standard-8"  # leaves no room for another, see tests/support/backends/base.py
SUCCEEDED: Final = JobState.JOB_STATE_SUCCEEDED
FAILED: Final = JobState.JOB_STATE_FAILED
CANCELLED: Final = JobState.JOB_STATE_CANCELLED
RUNNING: Final = JobState.JOB_STATE_RUNNING
DONE: Final = (SUCCEEDED, FAILED, CANCELLED)


def pool(*command: str, replicas: int = 1, machine: str = MACHINE, image: str = IMAGE, gpus: int = 0) -> dict[str, Any]:
    """A worker pool whose replicas run this command."""
    gpu = {"accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": gpus} if gpus else {}
    return {
        "machine_spec": {"machine_type": machine, **gpu},
        "replica_count": replicas,
        "container_spec": {"image_uri": image, "command": list(command)},
    }


def python(code: str, **changes: Any) -> dict[str, Any]:
    """A worker pool whose replicas run this Python code."""
    return pool("python3", "-u", "-c", code, **changes)


def submit(name: str, *pools: dict[str, Any], **run: Any) -> aiplatform.CustomJob:
    """A submitted job of these pools."""
    job = aiplatform.CustomJob(display_name=name, worker_pool_specs=list(pools))
    job.submit(**run)
    return job


def run(job: aiplatform.CustomJob) -> None:
    """Submit it and see it end well; the SDK's own method looks only every five seconds."""
    job.submit()
    assert wait_for(job) == SUCCEEDED, job.error


def wait_for(job: aiplatform.CustomJob, *states: int, seconds: float = 90) -> int:
    """The job's state once it is one of `states`; without any, once it has ended."""
    deadline = time.monotonic() + seconds
    while job.state not in (states or DONE):
        assert time.monotonic() < deadline, f"{job.display_name} is {job.state}, not {states}, after {seconds} s"
        time.sleep(0.3)
    return int(job.state)


def error_of(job: aiplatform.CustomJob) -> str:
    """The text of the job's error."""
    assert job.error is not None
    return str(job.error.message)


def waiting(stack: Stack, job: aiplatform.CustomJob) -> dict[str, Any] | None:
    """The job's entry among those that wait: position and reason."""
    queue = stack.get("status")["queue"]
    return next((entry for entry in queue if entry["name"] == job.resource_name), None)


def reason(stack: Stack, job: aiplatform.CustomJob) -> str:
    """Why the job waits; "" when it does not."""
    entry = waiting(stack, job)
    return str(entry["reason"]) if entry else ""


def eventually(condition: Callable[[], object], seconds: float = 30) -> bool:
    """Whether the condition holds within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True
