"""The flights example, unchanged: `cairn run` on a real stack, real data, all six steps."""

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
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cairn")), "run", "--", "python", "workloads/examples/flights/main.py"],
        cwd=ROOT,
        env=clean_environment() | stack.variables,
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
