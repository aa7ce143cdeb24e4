"""Traffic while everything changes, and new versions that come to it step by step."""

from pathlib import Path
from typing import Any

import httpx
from google.cloud import aiplatform

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, IMAGE, MACHINE, Versions, deploy
from tests.conformance.traffic import ALLOWED, Traffic, upheaval
from tests.support.stack import Stack

REQUESTS = 500  # for each split


def test_no_request_is_lost(stack: Stack, versions: Versions) -> None:
    """Under load a version is deployed, re-weighted and undeployed and a replica killed: none of 2,000 requests fails.

    Each split is met within half a point, and a version answers only once it is healthy.
    """
    endpoint = aiplatform.Endpoint.create(display_name="traffic")
    try:
        deploy(endpoint, versions[0], "one", 100, min_replica_count=2)
        with Traffic(stack, endpoint) as traffic:
            missed = upheaval(traffic, versions, REQUESTS, min)
        assert traffic.failed == []
        assert traffic.answers.total() >= 4 * REQUESTS
        assert max(missed.values()) <= ALLOWED, missed
    finally:
        endpoint.delete(force=True)


def rollout_of(stack: Stack, endpoint: str) -> dict[str, Any]:
    """What `cairn status` knows of it."""
    found = [each for each in stack.get("status")["rollouts"] if each["endpoint"].endswith(f"/{endpoint}")]
    return found[0] if found else {"state": "none yet"}


def test_a_canary(stack: Stack, versions: Versions, tmp_path: Path) -> None:
    """A declared new version is promoted step by step under load, one that is too slow taken back: no request fails."""
    model = {"model": "constant", "image": IMAGE, "machineType": MACHINE}
    live = {**model, "artifactUri": versions[0].uri}
    rollout = {"steps": [30, 100], "stepSeconds": 1, "minRequests": 20}

    def declared(**more: Any) -> dict[str, Any]:
        return {"models": [live, {**model, "artifactUri": versions[1].uri, "rollout": {**rollout, **more}}]}

    def predict(endpoint: str) -> httpx.Response:
        return httpx.post(f"{stack.vertex_url}/endpoints/{endpoint}:predict", json=BODY, headers=stack.headers)

    ended = {"good": "PROMOTED", "slow": "ROLLED_BACK"}

    def load_until_ended() -> bool:
        for name in [*ended] * 30:
            assert predict(name).is_success
        return all(rollout_of(stack, name)["state"] == state for name, state in ended.items())

    endpoints = {"good": declared(), "slow": declared(maxLatencyMs=0.001)}
    with stack.changed(tmp_path, endpoints=endpoints):
        assert eventually(lambda: all(predict(name).is_success for name in ended), 90)
        assert eventually(load_until_ended, 90), [rollout_of(stack, name) for name in ended]
        assert [predict(name).json()["predictions"] for name in ended] == [[2.0], [1.0]]
        assert "the 95th percentile of its latency" in rollout_of(stack, "slow")["reason"]
