"""Job start: from the submit to the first line of the user's code, beside the engine's bare means, same image."""

import time
from collections.abc import Callable

import httpx

import cairn
from tests.bench import measure
from tests.bench.peers import CODE, MACHINE, Peers

ROUNDS = 30


def custom_job(connection: cairn.Connection, http: httpx.Client) -> float:
    """A CustomJob; seconds until its first line."""
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
    lines = http.get(f"/cairn/v1/logs/{job['name']}").raise_for_status().text.split()
    http.delete(f"/v1/{job['name']}").raise_for_status()
    return next(float(word) for word in lines if word.replace(".", "", 1).isdigit()) - started


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Both in turn."""
    contenders: dict[str, measure.Measure] = {
        peers.job: peers.run_job,
        "CustomJob": lambda: custom_job(connection, http),
    }
    say(measure.table("Job start (submit → first line of user code)", measure.alternate(contenders, ROUNDS)))
