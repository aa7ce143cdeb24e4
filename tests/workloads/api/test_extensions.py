"""Our own paths: status, usage, logs; and the request log."""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.workloads.api.conftest import PARENT, token
from workloads.api.handlers import Context
from workloads.api.vertex.messages import timestamp

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
JOB = f"{PARENT}/customJobs/1"
USED = {"cpu_seconds": 8.0, "memory_gib_seconds": 4.0, "gpu_seconds": 0.0, "price": 0.01, "currency": "EUR"}
RESERVED = {"cpu": 2.0, "memory_mib": 2048, "gpus": {"NVIDIA_TESLA_T4": 1}}


def test_status(client: httpx.Client, context: Context) -> None:
    """Services with their health, capacity in use by what runs, and the queue in its order with reasons."""
    waiting: dict[str, Any] = {"state": "JOB_STATE_QUEUED", "displayName": "w"}
    context.store.create(JOB, {"state": "JOB_STATE_RUNNING"}, {"reserved": RESERVED})
    context.store.create(f"{PARENT}/customJobs/2", {"state": "JOB_STATE_SUCCEEDED"}, {"reserved": RESERVED})
    context.store.create(f"{PARENT}/endpoints/3", {}, {"reserved": {**RESERVED, "gpus": {}}})
    context.store.create(f"{PARENT}/customJobs/4", waiting, {"reason": "2 CPU wanted, 0 of 4 free"})
    context.store.create(f"{PARENT}/batchPredictionJobs/5", waiting)
    starting = {"state": "JOB_STATE_PENDING"}
    context.store.create(f"{PARENT}/customJobs/6", starting, {"reason": "Unschedulable"})
    context.store.create(f"{PARENT}/customJobs/7", starting)
    status = client.get("/cairn/v1/status").raise_for_status().json()
    assert status["capacity"] == {
        "cpu": {"used": 4.0, "total": 4},
        "memory_mib": {"used": 4096, "total": 8192},
        "NVIDIA_TESLA_T4": {"used": 1, "total": 1},
    }
    assert [(entry["position"], entry["name"]) for entry in status["queue"]] == [
        (1, f"{PARENT}/customJobs/4"),
        (2, f"{PARENT}/batchPredictionJobs/5"),
        (3, f"{PARENT}/customJobs/6"),
    ], "what waits for room, and what the engine can't start yet; not what just starts"
    assert status["queue"][0]["reason"] == "2 CPU wanted, 0 of 4 free"
    health = {service["name"]: service["healthy"] for service in status["services"]}
    assert health == {
        "api": True, "database": True, "object-store": False, "tracking": False, "gateway": False, "controllers": False,
    }  # fmt: skip
    assert all(service["detail"] for service in status["services"] if not service["healthy"])


def test_status_tells_of_rollouts(client: httpx.Client, context: Context) -> None:
    """How much traffic a new version of a declared endpoint has, and why it is where it is."""
    assert client.get("/cairn/v1/status").json()["rollouts"] == []
    rollout = {"rollout": {"steps": [5, 100]}, "state": "RUNNING", "step": 0, "reason": "its servers are healthy"}
    deployed = {"1": {"phase": "ready"}, "2": {"phase": "ready", "rollout": rollout}}
    context.store.create(f"{PARENT}/endpoints/e", {}, {"deployed": deployed})
    (shown,) = client.get("/cairn/v1/status").raise_for_status().json()["rollouts"]
    assert shown == {
        "endpoint": f"{PARENT}/endpoints/e",
        "deployed_model": "2",
        "state": "RUNNING",
        "traffic": 5,
        "reason": "its servers are healthy",
    }


def test_usage(client: httpx.Client, context: Context) -> None:
    """What the controllers noted, zero before they did, newest first; and where the time of a job's start went."""
    moments = {"claimed_at": "2026-01-01T00:00:01Z", "container_at": {"created": "2026-01-01T00:00:02Z"}}
    row = context.store.create(JOB, {"state": "JOB_STATE_SUCCEEDED", "displayName": "j"}, {"usage": USED, **moments})
    context.store.create(f"{PARENT}/customJobs/2", {"state": "JOB_STATE_QUEUED"})
    second, first = client.get("/cairn/v1/usage").raise_for_status().json()["jobs"]
    start = first.pop("start")
    assert first == {"name": JOB, "display_name": "j", "state": "JOB_STATE_SUCCEEDED", **USED}
    assert start == {
        "accepted": timestamp(row.create_time),
        "claimed": "2026-01-01T00:00:01Z",
        "created": "2026-01-01T00:00:02Z",
    }
    assert (second["price"], second["currency"], second["cpu_seconds"]) == (0.0, "USD", 0.0)


def test_logs(client: httpx.Client, context: Context) -> None:
    """Lines as text or JSON lines, from a seq on; a pipeline shows its job's, a workload sees its own only."""
    context.store.create(JOB, {"state": "JOB_STATE_RUNNING"})
    context.store.append_logs(JOB, "0-0", [(NOW, "one"), (NOW, "zwö")])
    assert client.get(f"/cairn/v1/logs/{JOB}").text == "one\nzwö\n"
    lines = [json.loads(line) for line in client.get(f"/cairn/v1/logs/{JOB}?alt=json").text.splitlines()]
    assert lines[0] == {"seq": lines[0]["seq"], "time": "2026-05-01T12:00:00Z", "replica": "0-0", "text": "one"}
    assert client.get(f"/cairn/v1/logs/{JOB}?since={lines[0]['seq']}").text == "zwö\n"
    pipeline = f"{PARENT}/trainingPipelines/1"
    context.store.create(pipeline, {"trainingTaskMetadata": {"backingCustomJob": JOB}})
    assert client.get(f"/cairn/v1/logs/{pipeline}").text == "one\nzwö\n"
    own = {"Authorization": f"Bearer {token('workload', JOB)}"}
    assert client.get(f"/cairn/v1/logs/{JOB}", headers=own).text == "one\nzwö\n"


@pytest.mark.parametrize("ending", ["state", "deletion"])
def test_followed_logs_end_with_the_job(client: httpx.Client, context: Context, ending: str) -> None:
    """A followed log streams lines as they come and ends, none missing, once the job has ended or is gone."""
    context.store.create(JOB, {"state": "JOB_STATE_RUNNING"})
    context.store.append_logs(JOB, "0-0", [(NOW, "first")])

    def work() -> None:
        time.sleep(0.2)
        context.store.append_logs(JOB, "0-0", [(NOW, "second")])
        if ending == "state":
            context.store.update(JOB, lambda message, _: message.update(state="JOB_STATE_FAILED"))
        else:
            time.sleep(0.7)
            context.store.delete(JOB)

    thread = threading.Thread(target=work)
    with client.stream("GET", f"/cairn/v1/logs/{JOB}?follow=1") as response:
        lines = response.iter_lines()
        assert next(lines) == "first"
        thread.start()
        assert list(lines) == ["second"]
    thread.join()


def test_request_log(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    """One line per request, with who asked and how it ended; neither query nor token, and nothing for health checks."""
    caplog.set_level(logging.INFO, logger="cairn.api.access")
    client.get(f"/v1/{PARENT}/endpoints?filter=labels.secret=x")
    client.get("/healthz")
    client.get("/v1/nothing", headers={"Authorization": "Bearer x.y.z"})
    deadline = time.monotonic() + 5
    while len(caplog.messages) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)  # the line is written after the answer has been read
    first, second = caplog.messages
    assert first.startswith(f"GET /v1/{PARENT}/endpoints 200 ")
    assert first.endswith(" ms admin")
    assert second.startswith("GET /v1/nothing 401 ")
    assert not any(word in first + second for word in ("secret", "x.y.z", token()))
