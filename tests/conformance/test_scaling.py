"""Deployed models that follow their load: more and fewer replicas, none at all, and back for the first request."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from google.cloud import aiplatform

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, MACHINE, Load, Versions, ids, predict_url
from tests.support.stack import Stack

AT_ONCE = 6
CHANGED_WITHIN_S = 120.0  # a server loads its libraries and its model first
REQUESTS = "aiplatform.googleapis.com/prediction/online/request_count"


@pytest.fixture(scope="module")
def endpoint(stack: Stack, versions: Versions) -> Iterator[aiplatform.Endpoint]:
    """An endpoint whose one model has one or two replicas, by the requests."""
    endpoint = aiplatform.Endpoint.create(display_name="scaled")
    bounds = {"minReplicaCount": 1, "maxReplicaCount": 2}
    specs = [{"metricName": REQUESTS, "target": 60}]  # one a second
    resources = {"machineSpec": {"machineType": MACHINE}, **bounds, "autoscalingMetricSpecs": specs}
    model = {"model": versions[0].resource_name, "displayName": "scaled", "dedicatedResources": resources}
    done(stack, endpoint, "deployModel", {"deployedModel": model, "trafficSplit": {"0": 100}})
    yield endpoint
    endpoint.delete(force=True)


def done(stack: Stack, endpoint: aiplatform.Endpoint, verb: str, body: Any) -> None:
    """Carry out an operation of v1beta1, which alone has the fields of scaling to zero."""
    url = f"{stack.api_endpoint}/v1beta1"
    with httpx.Client(headers=stack.headers, timeout=60) as client:
        name = client.post(f"{url}/{endpoint.resource_name}:{verb}", json=body).raise_for_status().json()["name"]
        deadline = time.monotonic() + 180
        while not (operation := client.get(f"{url}/{name}").raise_for_status().json()).get("done"):
            assert time.monotonic() < deadline, operation
            time.sleep(0.3)
    assert "response" in operation, operation


def servers(stack: Stack, endpoint: aiplatform.Endpoint) -> int:
    """How many containers work for the endpoint."""
    return len(stack.site.containers(stack.name, endpoint.resource_name))


def test_replicas_follow_the_load(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """Under load a second replica comes, without it one goes, and no prediction fails; the status counts them."""
    with Load(stack, endpoint) as load:
        assert eventually(lambda: servers(stack, endpoint) == 2, CHANGED_WITHIN_S)
        assert eventually(lambda: available(stack, endpoint) == 2, CHANGED_WITHIN_S)
        load.wait_for_more()
    assert eventually(lambda: servers(stack, endpoint) == 1, CHANGED_WITHIN_S)
    assert eventually(lambda: available(stack, endpoint) == 1, CHANGED_WITHIN_S)
    assert load.bad == []


def available(stack: Stack, endpoint: aiplatform.Endpoint) -> int:
    """What the one deployed model says of its replicas."""
    answer = httpx.get(f"{stack.api_endpoint}/v1/{endpoint.resource_name}", headers=stack.headers, timeout=30).json()
    return int(answer["deployedModels"][0].get("status", {}).get("availableReplicaCount", 0))


def test_the_first_predictions_wait_for_a_model_at_zero(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """After idleness no server runs; predictions that come then are held until one does, and none of them fails."""
    zero = {"idleScaledownPeriod": "5s", "minScaleupPeriod": "5s"}
    resources = {"minReplicaCount": 0, "initialReplicaCount": 1, "maxReplicaCount": 1, "scaleToZeroSpec": zero}
    paths = ",".join(f"dedicatedResources.{field}" for field in resources)
    model = {"id": ids(endpoint)["scaled"], "dedicatedResources": resources}
    done(stack, endpoint, "mutateDeployedModel", {"deployedModel": model, "updateMask": paths})
    assert eventually(lambda: servers(stack, endpoint) == 0, CHANGED_WITHIN_S)

    def predict(_: int) -> int:
        return httpx.post(predict_url(stack, endpoint), json=BODY, headers=stack.headers, timeout=150).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(predict, range(AT_ONCE))) == [200] * AT_ONCE
    assert servers(stack, endpoint) == 1
