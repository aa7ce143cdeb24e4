"""The CIS Docker Benchmark's container section, on everything that runs."""

import os
from pathlib import Path

import pytest
from google.cloud import aiplatform

from tests.conformance import jobs
from tests.conformance.serving import Versions, deploy
from tests.support.stack import Stack
from toolchain.shell import RealShell
from toolchain.stack import cis

SLEEP = "import time; time.sleep(600)"


@pytest.mark.backends("docker")
def test_no_warning(stack: Stack, versions: Versions, tmp_path: Path) -> None:
    """Services, a job and a model server give no warning; what is excused is named, with its reason."""
    shell = RealShell(tmp_path, os.environ)
    job = jobs.submit("sleeps", jobs.python(SLEEP))
    endpoint = aiplatform.Endpoint.create(display_name="cis")
    try:
        deploy(endpoint, versions[0], "one", 100)
        jobs.wait_for(job, jobs.RUNNING)
        looked_at = {each.container.split("-")[2] for each in cis.audit(shell, stack.name)}
        assert {"job", "model", "api"} <= looked_at

        def warnings() -> list[cis.Finding]:
            return [each for each in cis.audit(shell, stack.name) if not each.reason]

        assert jobs.eventually(lambda: not warnings()), warnings()
    finally:
        job.cancel()
        endpoint.delete(force=True)
