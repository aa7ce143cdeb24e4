"""Jobs that take what they can get: each is ended or held at its limit and told why, and nobody else suffers."""

from typing import Any

import pytest
from google.cloud import aiplatform

from tests.conformance.jobs import FAILED, SUCCEEDED, error_of, pool, python, submit, wait_for
from tests.support.stack import Stack

MIB_LOGGED = 90  # more than the store keeps of one job
RESOURCE_EXHAUSTED = 8
FLOOD = f"import sys\nline = 'x' * 8191 + chr(10)\nfor _ in range({MIB_LOGGED} * 128): sys.stdout.write(line)"
FILL = (
    "import os, time\n"
    "with open('/var/tmp/full', 'wb') as file:\n"
    "    for _ in range(1300): file.write(bytes(1 << 20))\n"
    "    file.flush(); print('written', flush=True); time.sleep(120)\n"
)


def test_a_flood_of_log(stack: Stack, vertex: Any) -> None:
    """A job that floods its log ends well; what is kept of it is bounded and says so; another job is not held up."""
    noisy = submit("noisy", python(FLOOD))
    quiet = submit("quiet", python("print('a word')"))
    assert wait_for(quiet) == SUCCEEDED, quiet.error
    assert stack.logs(quiet.resource_name) == "a word\n"
    assert wait_for(noisy, seconds=180) == SUCCEEDED, noisy.error
    kept = stack.logs(noisy.resource_name)
    assert 60 * 2**20 < len(kept) < 66 * 2**20
    assert kept.endswith("what follows is not kept\n")


def test_a_full_disk(stack: Stack, vertex: Any) -> None:
    """A job that writes more than its diskSpec is ended, not tried again, and told how much it may write."""
    spec = {**python(FILL), "disk_spec": {"boot_disk_size_gb": 1}}
    job = submit("hoarder", spec)
    assert wait_for(job, seconds=150) == FAILED
    assert "bootDiskSizeGb" in error_of(job)
    assert job.error is not None
    assert job.error.code == RESOURCE_EXHAUSTED


@pytest.mark.backends("docker")
def test_a_fork_bomb(stack: Stack, vertex: Any) -> None:
    """A job that forks without end fails at its limit of processes and is told so; another one runs beside it."""
    bomb = submit("bomb", pool("sh", "-c", "while :; do sleep 600 & done"))
    beside = submit("beside", python("import subprocess; print(subprocess.run(['true']).returncode)"))
    assert wait_for(beside) == SUCCEEDED, beside.error
    assert wait_for(bomb) == FAILED
    assert "limit of 1024 processes" in error_of(bomb)
    aiplatform.CustomJob.delete(bomb)
