"""Custom jobs: what they see, how they end, what is known of them afterwards."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.cloud import aiplatform

from tests.conformance.jobs import (
    CANCELLED,
    FAILED,
    RUNNING,
    SUCCEEDED,
    error_of,
    eventually,
    pool,
    python,
    run,
    submit,
    wait_for,
)
from tests.support.backends.base import MACHINE_TYPES
from tests.support.environment import ROOT, clean_environment
from tests.support.stack import Stack

Jobs = dict[str, aiplatform.CustomJob]


@pytest.fixture(scope="module")
def failing(stack: Stack, vertex: Any) -> Jobs:
    """Jobs that fail in their own ways, all at once."""
    return {
        "code": submit("fails", python("print('my last words'); raise SystemExit(3)")),
        "memory": submit("hungry", python("x = [bytearray(64 << 20) for _ in range(1000)]")),
        "timeout": submit("slow", python("import time; time.sleep(600)"), timeout=3),
        "image": submit("no-image", pool("true", image=f"{stack.site.own_image().rsplit('/', 1)[0]}/none:1")),
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("code", ("code 3", "my last words")),
        ("memory", ("ran out of memory", "768 MiB")),
        ("timeout", ("timeout", "3 s")),
        ("image", ("none:1",)),
    ],
)
def test_failures_tell_why(failing: Jobs, name: str, words: tuple[str, ...]) -> None:
    """A failed job's error has the exit code and last words, the memory limit, the timeout, the image not found."""
    assert wait_for(failing[name], seconds=180) == FAILED
    for word in words:
        assert word in error_of(failing[name])


def test_environment(stack: Stack, vertex: Any) -> None:
    """A job sees Vertex's environment and no token of the platform's."""
    job = aiplatform.CustomJob(
        display_name="contract",
        worker_pool_specs=[python("import os, json; print('ENV ' + json.dumps(dict(os.environ)))")],
        base_output_dir=f"gs://{stack.staging_bucket}/contract",
    )
    run(job)
    line = next(line for line in stack.logs(job.resource_name).splitlines() if "ENV {" in line)
    env = json.loads(line[line.index("{") :])
    base = f"gs://{stack.staging_bucket}/contract"
    assert env["AIP_MODEL_DIR"] == f"{base}/model/"
    assert env["AIP_CHECKPOINT_DIR"] == f"{base}/checkpoints/"
    assert env["AIP_TENSORBOARD_LOG_DIR"] == f"{base}/logs/"
    assert env["CLOUD_ML_JOB_ID"] == job.name
    assert json.loads(env["CLUSTER_SPEC"])["task"] == {"type": "workerpool0", "index": 0}
    assert stack.token not in json.dumps(env)


def test_usage_and_price(stack: Stack, vertex: Any) -> None:
    """A job's CPU, memory and price are those of its machine type for the time it ran, in the stack's currency."""
    job = submit("metered", python("import time; time.sleep(3)"))
    assert wait_for(job) == SUCCEEDED, job.error
    used = next(row for row in stack.get("usage")["jobs"] if row["name"] == job.resource_name)
    machine: Any = MACHINE_TYPES["n1-standard-2"]
    assert used["cpu_seconds"] >= 2 * machine["cpu"]
    assert used["memory_gib_seconds"] == pytest.approx(used["cpu_seconds"] / machine["cpu"] * 0.75, rel=0.01)
    price = used["cpu_seconds"] / machine["cpu"] * machine["pricePerHour"] / 3600
    assert used["price"] == pytest.approx(price, rel=0.01)
    assert used["currency"] == "USD"


def test_a_script_is_packaged(stack: Stack, vertex: Any, tmp_path: Path) -> None:
    """A local script with its arguments and packages becomes a job, as the SDK packages it."""
    script = tmp_path / "task.py"
    script.write_text("import sys\nprint('ARGUMENTS', *sys.argv[1:])\n")
    job = aiplatform.CustomJob.from_local_script(
        display_name="script",
        script_path=str(script),
        container_uri="us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest",
        args=["--depth=3", "a b"],
        machine_type="n1-standard-4",
    )
    run(job)
    assert "ARGUMENTS --depth=3 a b" in stack.logs(job.resource_name)


def test_a_container_of_ones_own(stack: Stack, vertex: Any) -> None:
    """A job runs any image that the engine can get, with the job's command and arguments, as a user without rights."""
    spec = pool("sh", "-c", 'echo "$0 as $(id -u)"', image=stack.site.own_image())
    spec["container_spec"]["args"] = ["mine"]
    job = submit("own", spec)
    assert wait_for(job) == SUCCEEDED, job.error
    assert stack.logs(job.resource_name).strip() == "mine as 10001"


def test_logs_are_followed(stack: Stack, vertex: Any) -> None:
    """`cairn logs -f` prints lines as they come, each once, and ends with the job."""
    job = submit("talks", python("import time\nfor i in range(4): print('line', i); time.sleep(1)"))
    wait_for(job, RUNNING)
    command = [str(Path(sys.executable).with_name("cairn")), "logs", "-f", job.name]
    environment = clean_environment() | stack.variables
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        assert job.state == RUNNING, "the first line came before the end"
        lines = [first, *following.stdout]
    assert [line.strip() for line in lines] == [f"line {i}" for i in range(4)]
    assert following.returncode == 0


def test_cancel(stack: Stack, vertex: Any) -> None:
    """A running job that is cancelled ends CANCELLED and leaves no container."""
    job = submit("cancelled", python("import time; time.sleep(600)"))
    wait_for(job, RUNNING)
    assert stack.site.containers(stack.name, job.resource_name)
    job.cancel()
    assert wait_for(job) == CANCELLED
    assert eventually(lambda: not stack.site.containers(stack.name, job.resource_name))


def test_list_and_delete(stack: Stack, vertex: Any) -> None:
    """Jobs are found by filter and label, and a finished one can be deleted."""
    job = aiplatform.CustomJob(display_name="listed", worker_pool_specs=[python("pass")], labels={"team": "blue"})
    run(job)
    found = aiplatform.CustomJob.list(filter='display_name="listed" AND labels.team="blue"')
    assert [other.resource_name for other in found] == [job.resource_name]
    job.delete()
    assert not aiplatform.CustomJob.list(filter='display_name="listed"')
