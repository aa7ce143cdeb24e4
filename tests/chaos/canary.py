"""Declared versions come to the traffic step by step, one is promoted and one taken back; no request fails meanwhile.

Not in `make test`, since ten rounds take ten minutes.
"""

import time
from typing import Any

import httpx

from tests.chaos.connected import connected, versions
from tests.chaos.trial import Trial
from tests.conformance import serving
from tests.support.stack import Stack

ENDED = {"good": "PROMOTED", "slow": "ROLLED_BACK"}
WITHIN_S = 120.0


def run(trial: Trial) -> None:
    """Once, or ten times, each from the endpoints' beginning to their removal."""
    with connected(trial) as (stack, folder):
        first, second = versions(stack)
        for number in range(trial.count(1, 10)):
            with stack.changed(folder, endpoints=_endpoints(str(first.uri), str(second.uri))):
                trial.report(f"round {number + 1}: {_round(stack)} predictions, none failed")


def _endpoints(live: str, new: str) -> dict[str, Any]:
    """Two with a live and a new version each; one of the new ones is asked to be quicker than any can be."""
    model = {"model": "constant", "image": serving.IMAGE, "machineType": serving.MACHINE}
    rollout = {"steps": [30, 100], "stepSeconds": 1, "minRequests": 20}

    def endpoint(**more: Any) -> dict[str, Any]:
        coming = {**model, "artifactUri": new, "rollout": {**rollout, **more}}
        return {"models": [{**model, "artifactUri": live}, coming]}

    return {"good": endpoint(), "slow": endpoint(maxLatencyMs=0.001)}


def _predict(stack: Stack, endpoint: str) -> httpx.Response:
    url = f"{stack.vertex_url}/endpoints/{endpoint}:predict"
    return httpx.post(url, json=serving.BODY, headers=stack.headers, timeout=30)


def _rollouts(stack: Stack) -> dict[str, Any]:
    return {each["endpoint"].rpartition("/")[2]: each for each in stack.get("status")["rollouts"]}


def _round(stack: Stack) -> int:
    """Predict until both rollouts have ended; how often."""
    deadline = time.monotonic() + WITHIN_S
    while not all(_predict(stack, name).is_success for name in ENDED):
        assert time.monotonic() < deadline, "the live versions never served"
    asked = 0
    while {name: each["state"] for name, each in _rollouts(stack).items()} != ENDED:
        assert time.monotonic() < deadline, _rollouts(stack)
        for name in [*ENDED] * 30:
            answer = _predict(stack, name)
            assert answer.is_success, answer.text
            asked += 1
    assert [_predict(stack, name).json()["predictions"] for name in ENDED] == [[2.0], [1.0]]
    assert "the 95th percentile of its latency" in _rollouts(stack)["slow"]["reason"]
    return asked
