"""Job start: from the submit to the first line of the user's code, beside the engine's bare means, same image."""

import statistics
import time
from collections.abc import Callable, Sequence
from datetime import datetime

import httpx

import cairn
from tests.bench import measure
from tests.bench.peers import CODE, MACHINE, Peers
from workloads import contract

ROUNDS = 30
PAUSE_S = 2.0
STEPS = ("accepted", "claimed", "created", "started")
UNTIL = ("the API has its row", "it has capacity", "its container is created", "that is started", "its first line")


def _paused(run: measure.Measure) -> float:
    seconds = run()
    time.sleep(PAUSE_S)
    return seconds


def custom_job(connection: cairn.Connection, http: httpx.Client, steps: list[list[float]]) -> float:
    """A CustomJob; seconds until its first line. The moments of its start are added to `steps`."""
    spec = {
        "machineSpec": {"machineType": MACHINE},
        "replicaCount": "1",
        "containerSpec": {
            "imageUri": "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest",
            "command": ["python3", "-c", CODE],
        },
    }
    parent = f"/v1/projects/{connection.project}/locations/{connection.location}"
    started = time.time()
    body = {"displayName": "bench", "jobSpec": {"workerPoolSpecs": [spec]}}
    job = http.post(f"{parent}/customJobs", json=body).raise_for_status().json()
    while (state := http.get(f"/v1/{job['name']}").raise_for_status().json()["state"]) != "JOB_STATE_SUCCEEDED":
        if state in ("JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            raise RuntimeError(f"{job['name']} is {state}")
        time.sleep(0.05)
    used = http.get(f"{contract.PATH_EXTENSION}/usage").raise_for_status().json()["jobs"]
    times = next(row["start"] for row in used if row["name"] == job["name"])
    lines = http.get(f"{contract.PATH_EXTENSION}/logs/{job['name']}").raise_for_status().text.split()
    http.delete(f"/v1/{job['name']}").raise_for_status()
    first = next(float(word) for word in lines if word.replace(".", "", 1).isdigit())
    steps.append([started, *(datetime.fromisoformat(times[each]).timestamp() for each in STEPS), first])
    time.sleep(PAUSE_S)
    return first - started


def breakdown(steps: Sequence[Sequence[float]]) -> str:
    """A Markdown table of where the time goes, from the moments of each start."""
    lines = ["### Where the time of a CustomJob's start goes", "", "| until | median ms | p95 ms |", "|---|---|---|"]
    for number, name in enumerate(UNTIL, 1):
        spent = [moments[number] - moments[number - 1] for moments in steps]
        lines.append(f"| {name} | {statistics.median(spent) * 1e3:.1f} | {measure.quantile95(spent) * 1e3:.1f} |")
    return "\n".join(lines)


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Both in turn, with the pause after each, in which the platform makes ready for the next start."""
    steps: list[list[float]] = []
    contenders: dict[str, measure.Measure] = {
        peers.job: lambda: _paused(peers.run_job),
        "CustomJob": lambda: custom_job(connection, http, steps),
    }
    say(measure.table("Job start (submit → first line of user code)", measure.alternate(contenders, ROUNDS)))
    say(breakdown(steps[-ROUNDS:]))
