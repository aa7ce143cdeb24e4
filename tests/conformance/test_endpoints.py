"""Endpoints: deploy, predict, split, scale, undeploy, and servers that fail."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1, storage
from google.cloud.aiplatform_v1 import types

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, IMAGE, Versions, answers, deploy, ids, predict_url
from tests.support.stack import Stack

REQUESTS = 3000
SHARE, DEVIATIONS = 0.10, 4  # of the second version; a fair split misses it by more than four once in 15,000 runs


@pytest.fixture(scope="module")
def endpoint(versions: Versions) -> Iterator[aiplatform.Endpoint]:
    """An endpoint with both versions, traffic 90/10."""
    endpoint = aiplatform.Endpoint.create(display_name="constants")
    deploy(endpoint, versions[0], "one", 100)
    deploy(endpoint, versions[1], "two", 10)
    yield endpoint
    endpoint.delete(force=True)


def test_traffic_is_split(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """Of 3,000 predictions the versions answer their declared shares, 90 to 10, and each says which one it was."""
    seen = answers(stack, endpoint, REQUESTS)
    allowed = DEVIATIONS * (SHARE * (1 - SHARE) / REQUESTS) ** 0.5
    assert seen["2"] / REQUESTS == pytest.approx(SHARE, abs=allowed)


def test_predict_and_raw_predict(endpoint: aiplatform.Endpoint) -> None:
    """The SDK's predict names model and version; raw_predict passes the server's own answer through."""
    prediction = endpoint.predict(instances=[[0, 0], [1, 1]])
    assert prediction.predictions == [float(str(prediction.model_version_id))] * 2
    assert prediction.deployed_model_id in endpoint.traffic_split
    raw = endpoint.raw_predict(body=json.dumps(BODY).encode(), headers={"Content-Type": "application/json"})
    assert set(raw.json()) == {"predictions"}


def test_the_split_can_change(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """An updated traffic split takes effect, and the other version gets nothing any more."""
    one, two = ids(endpoint)["one"], ids(endpoint)["two"]
    endpoint.update(traffic_split={one: 0, two: 100})
    try:
        assert set(answers(stack, endpoint, 200)) == {"2"}
    finally:
        endpoint.update(traffic_split={one: 90, two: 10})


def test_scaled_and_undeployed(stack: Stack, endpoint: aiplatform.Endpoint, versions: Versions) -> None:
    """A deployed model gets more and fewer replicas while it serves, and leaves no container when it is undeployed."""
    before = set(stack.site.containers(stack.name, endpoint.resource_name))
    deploy(endpoint, versions[1], "three", 0)
    deployed = ids(endpoint)["three"]

    def servers() -> int:
        return len(set(stack.site.containers(stack.name, endpoint.resource_name)) - before)

    def has(count: int) -> bool:
        return eventually(lambda: servers() == count) and answers(stack, endpoint, 20).total() == 20

    _scale(endpoint, deployed, 2)
    assert has(2)
    _scale(endpoint, deployed, 1)
    assert has(1)
    endpoint.undeploy(deployed_model_id=deployed)
    assert has(0)


def _scale(endpoint: aiplatform.Endpoint, deployed: str, replicas: int) -> None:
    """The SDK's own class has no method for it, its generated client has."""
    resources = types.DedicatedResources(min_replica_count=replicas, max_replica_count=replicas)
    client: Any = aiplatform_v1.EndpointServiceClient()
    client.mutate_deployed_model(
        endpoint=endpoint.resource_name,
        deployed_model=types.DeployedModel(id=deployed, dedicated_resources=resources),
        update_mask={"paths": ["dedicated_resources.min_replica_count", "dedicated_resources.max_replica_count"]},
    ).result(timeout=120)


def test_a_server_that_fails_tells_why(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A model whose server does not come up is not deployed; the error has the server's last words."""
    bucket.blob("broken/model.joblib").upload_from_string(b"no model at all")
    model = aiplatform.Model.upload(
        display_name="broken",
        artifact_uri=f"gs://{bucket.name}/broken",
        serving_container_image_uri=IMAGE,
    )
    endpoint = aiplatform.Endpoint.create(display_name="broken")
    try:
        with pytest.raises(exceptions.GoogleAPICallError, match=r"last lines:[\s\S]*model\.joblib"):
            deploy(endpoint, model, "broken", 100, machine_type="n1-standard-4")  # to fail sooner
        assert not endpoint.list_models()
        assert eventually(lambda: not stack.site.containers(stack.name, endpoint.resource_name))
    finally:
        endpoint.delete(force=True)
        model.delete()


def test_bad_instances_are_the_callers_fault(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """A prediction with malformed instances is a 400 in Google's error model."""
    for body in ({"instances": "x"}, {"instance": [[0, 0]]}, {}, [[0, 0]]):
        answer = httpx.post(predict_url(stack, endpoint), json=body, headers=stack.headers, timeout=30)
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_predictions_want_a_token(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """Without a token, or with a forged one, the gateway answers 401 in Google's error model."""
    for value in ("", "Bearer forged", f"Bearer {stack.token}x"):
        headers = {"Authorization": value} if value else {}
        answer = httpx.post(predict_url(stack, endpoint), json=BODY, headers=headers, timeout=30)
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


def test_an_endpoint_with_models_is_not_deleted(endpoint: aiplatform.Endpoint) -> None:
    """Deleting an endpoint that still serves is refused with what to do first."""
    with pytest.raises(exceptions.BadRequest, match=r"[Uu]ndeploy"):
        endpoint.delete(force=False)
