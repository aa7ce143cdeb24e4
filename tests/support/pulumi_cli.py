"""The Pulumi CLI as tests run it: what it prints, and what its JSON says of changes."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.environment import ROOT

TIMEOUT_S = 1500  # cold, an `up` builds every image


def pulumi(environment: Mapping[str, str], *arguments: str, folder: Path = ROOT) -> str:
    """What the CLI prints.

    Raises:
        AssertionError: it failed; with all of its output.
    """
    done = subprocess.run(
        [environment["PULUMI_BIN"], "--non-interactive", "--color", "never", *arguments],
        cwd=folder,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"pulumi {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def summary(text: str) -> dict[str, int]:
    """How many resources changed and how, in the JSON of `up`, `refresh` (a stream) or `preview` (one text)."""
    if "changeSummary" in text:
        return _changed(json.loads(text)["changeSummary"])
    for line in reversed(text.splitlines()):
        if "summaryEvent" in line:
            return _changed(json.loads(line)["summaryEvent"]["resourceChanges"])
    raise AssertionError(f"no summary in what pulumi printed: {text[-500:]}")


def _changed(counts: Mapping[str, int]) -> dict[str, int]:
    return {kind: count for kind, count in counts.items() if kind != "same"}


def steps(text: str) -> dict[str, set[str]]:
    """From what is done ("update", "replace", …) to the names of the resources, in the JSON of `preview`."""
    found: dict[str, set[str]] = {}
    for step in _steps(text):
        found.setdefault(step["op"], set()).add(str(step["urn"]).rsplit("::", 1)[1])
    return found


def _steps(text: str) -> list[dict[str, Any]]:
    return [step for step in json.loads(text)["steps"] if step["op"] != "same"]
