"""The flights example, as a user runs it: `cairn run` on a real stack, real data, all six steps."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from google.cloud import aiplatform

from tests.support.environment import ROOT, clean_environment
from tests.support.stack import Stack


def test_flights(stack: Stack, vertex: Any) -> None:
    """The example runs to its end, and its second model beats the first and the naive baseline on later months."""
    environment = clean_environment() | {
        "CAIRN_API_ENDPOINT": stack.api_endpoint,
        "CAIRN_TOKEN": stack.token,
        "CAIRN_STAGING_BUCKET": stack.staging_bucket,
        "GOOGLE_CLOUD_PROJECT": stack.project,
        "CLOUD_ML_REGION": stack.location,
        "MLFLOW_TRACKING_URI": stack.tracking_uri,
        "MLFLOW_TRACKING_TOKEN": stack.token,
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cairn")), "run", "--", "python", "workloads/examples/flights/main.py"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    figures = re.findall(r"^(naive|v1|v2)\b.*?AUC\s+(0\.\d+)", done.stdout, re.MULTILINE)
    for endpoint in aiplatform.Endpoint.list():  # its models would hold half of the test stack's capacity
        endpoint.delete(force=True)
    auc = {name: float(value) for name, value in figures}
    assert auc["v2"] > auc["v1"] > auc["naive"]
