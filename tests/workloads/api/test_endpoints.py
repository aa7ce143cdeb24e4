"""Endpoints: what can be changed, and what is checked before a controller deploys."""

from typing import Any

import httpx
import pytest

from tests.workloads.api.conftest import MODEL, PARENT
from tests.workloads.api.test_http import refused
from workloads.api.handlers import Context

NAME = f"{PARENT}/endpoints/1"


@pytest.fixture
def endpoint(context: Context) -> str:
    """An endpoint with two deployed models, the first of which has all the traffic."""
    dedicated = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1}
    models = [{"id": each, "model": MODEL, "dedicatedResources": dedicated} for each in ("11", "12")]
    context.store.create(NAME, {"displayName": "e", "deployedModels": models, "trafficSplit": {"11": 100}})
    return NAME


def machine(name: str, low: int, high: int = 0) -> dict[str, Any]:
    """Dedicated resources."""
    return {"machineSpec": {"machineType": name}, "minReplicaCount": low, "maxReplicaCount": high}


def deploy(**changes: Any) -> dict[str, Any]:
    """A good deployModel request whose deployed model is changed."""
    model = {"model": MODEL, "dedicatedResources": machine("n1-standard-2", 1, 1), **changes}
    return {"deployedModel": model, "trafficSplit": {"0": 10, "11": 90}}


def test_create_with_an_id_of_ones_own(client: httpx.Client) -> None:
    """An id may be chosen once; the operation is done and holds the endpoint in the caller's version."""
    for version in ("v1", "v1beta1"):
        answer = client.post(f"/{version}/{PARENT}/endpoints?endpointId={version}", json={"displayName": "e"}).json()
        assert answer["done"] is True
        assert answer["response"]["@type"] == f"type.googleapis.com/google.cloud.aiplatform.{version}.Endpoint"
        assert answer["response"]["etag"] == "1"
        assert client.get(f"/ui/{answer['name']}").json() == answer
    refused(client.post(f"/v1/{PARENT}/endpoints?endpointId=v1", json={"displayName": "e"}), "ALREADY_EXISTS")
    assert len(client.get(f"/v1/{PARENT}/operations").json()["operations"]) == 2


@pytest.mark.parametrize("chosen", ["a/b", "x" * 200, "A B", "-"])
def test_bad_ids(client: httpx.Client, chosen: str) -> None:
    """An id that can't be part of a resource name is refused."""
    body = {"displayName": "e"}
    response = client.post(f"/v1/{PARENT}/endpoints", params={"endpointId": chosen}, json=body)
    assert "endpointId" in refused(response, "INVALID_ARGUMENT")["message"]


@pytest.mark.parametrize(
    ("mask", "body", "status", "says"),
    [
        ("", {"displayName": "x"}, "INVALID_ARGUMENT", "updateMask"),
        ("nothing", {}, "INVALID_ARGUMENT", "nothing"),
        ("deployedModels", {}, "INVALID_ARGUMENT", "can't be updated"),
        ("displayName", {}, "INVALID_ARGUMENT", "displayName"),
        ("display_name", {"displayName": ""}, "INVALID_ARGUMENT", "displayName"),
        ("labels", {"labels": {"A": "b"}}, "INVALID_ARGUMENT", "label"),
        ("trafficSplit", {"trafficSplit": {"11": 60}}, "INVALID_ARGUMENT", "60"),
        ("trafficSplit", {"trafficSplit": {"11": -10, "12": 110}}, "INVALID_ARGUMENT", "100"),
        ("trafficSplit", {"trafficSplit": {"13": 100}}, "INVALID_ARGUMENT", "13"),
        ("labels", {"labels": {"cairn-shadow-13": "5"}}, "INVALID_ARGUMENT", "names no deployed model"),
        ("labels", {"labels": {"cairn-shadow-12": "x"}}, "INVALID_ARGUMENT", "percentage"),
        ("labels", {"labels": {"cairn-shadow-11": "5"}}, "INVALID_ARGUMENT", "can't be a shadow too"),
        ("displayName", {"displayName": "x", "etag": "9"}, "ABORTED", "etag"),
    ],
)
def test_bad_updates(
    client: httpx.Client, endpoint: str, mask: str, body: dict[str, Any], status: str, says: str
) -> None:
    """What an update may not do is refused, and nothing changes."""
    before = client.get(f"/v1/{endpoint}").json()
    assert says in refused(client.patch(f"/v1/{endpoint}?updateMask={mask}", json=body), status)["message"]
    assert client.get(f"/v1/{endpoint}").json() == before


def test_updates(client: httpx.Client, endpoint: str) -> None:
    """Only the fields of the mask change, a map's key alone too, and the etag counts."""
    path = f"/v1/{endpoint}?updateMask"
    split = {"trafficSplit": {"11": 50, "12": 50}, "displayName": "ignored", "etag": "1"}
    changed = client.patch(f"{path}=trafficSplit", json=split).raise_for_status().json()
    assert (changed["trafficSplit"], changed["displayName"], changed["etag"]) == (split["trafficSplit"], "e", "2")
    changed = client.patch(f"{path}=labels,description", json={"labels": {"a": "b"}, "description": "d"}).json()
    assert (changed["labels"], changed["description"]) == ({"a": "b"}, "d")
    changed = client.patch(f"{path}=labels.c", json={"labels": {"c": "d", "e": "f"}}).json()
    assert changed["labels"] == {"a": "b", "c": "d"}
    assert "description" not in client.patch(f"{path}=description", json={}).json()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (deploy(model=""), "INVALID_ARGUMENT", "deployedModel.model"),
        (deploy(model=f"{PARENT}/models/none"), "NOT_FOUND", "none"),
        (deploy(dedicatedResources=machine("n1", 1)), "INVALID_ARGUMENT", "n1-standard"),
        (deploy(dedicatedResources=machine("n1-standard-2", 0)), "INVALID_ARGUMENT", "minReplicaCount"),
        (deploy(dedicatedResources=machine("n1-standard-2", 9)), "INVALID_ARGUMENT", "9 CPU"),
        (deploy(dedicatedResources=machine("n1-standard-2", 2, 1)), "INVALID_ARGUMENT", "maxReplicaCount"),
        (deploy(dedicatedResources=machine("n1-standard-2", 1, 9)), "INVALID_ARGUMENT", "9 CPU"),
        (deploy(dedicatedResources={**machine("n1-standard-2", 1, 2), "autoscalingMetricSpecs": [{"metricName": "x"}]}),
         "INVALID_ARGUMENT", "no such metric"),
        (deploy(sharedResources="x", dedicatedResources=None), "UNIMPLEMENTED", "sharedResources"),
        (deploy(explanationSpec={"parameters": {"topK": 1}}), "UNIMPLEMENTED", "explanationSpec"),
        (deploy(id="11"), "INVALID_ARGUMENT", "in use"),
        (deploy(id="x"), "INVALID_ARGUMENT", "digits"),
        ({**deploy(), "trafficSplit": {"0": 10}}, "INVALID_ARGUMENT", "100"),
        ({**deploy(), "trafficSplit": {"0": 10, "13": 90}}, "INVALID_ARGUMENT", "13"),
        ({}, "INVALID_ARGUMENT", "deployedModel"),
    ],
)  # fmt: skip
def test_bad_deployments(
    client: httpx.Client, context: Context, endpoint: str, body: Any, status: str, says: str
) -> None:
    """What could never be served is refused before an operation is made."""
    assert says in refused(client.post(f"/v1/{endpoint}:deployModel", json=body), status)["message"]
    assert context.store.list("operations") == []


def test_deploy_undeploy_mutate(client: httpx.Client, context: Context, endpoint: str) -> None:
    """Good requests become open operations with the request inside; the endpoint can't be deleted meanwhile."""
    mutate = {"deployedModel": {"id": "11", "dedicatedResources": {"minReplicaCount": 2}}}
    for verb, body in (
        ("deployModel", deploy()),
        ("undeployModel", {"deployedModelId": "12"}),
        ("undeployModel", {"deployedModelId": "11", "trafficSplit": {"12": 100}}),
        ("mutateDeployedModel", {**mutate, "updateMask": "dedicated_resources.min_replica_count"}),
    ):
        answer = client.post(f"/v1/{endpoint}:{verb}", json=body).raise_for_status().json()
        assert "done" not in answer
        request = context.store.get(answer["name"]).status["request"]
        assert (request["method"], request["target"], request["message"]["endpoint"]) == (verb, NAME, NAME)
    refused(client.delete(f"/v1/{endpoint}"), "FAILED_PRECONDITION")
    context.store.update(endpoint, lambda message, _: message.update(deployedModels=[], trafficSplit={}))
    assert "operations/" in refused(client.delete(f"/v1/{endpoint}"), "FAILED_PRECONDITION")["message"]


def test_shadows(client: httpx.Client, endpoint: str) -> None:
    """A label makes a deployed model one; it gets no traffic, by whatever request, while that is there."""
    label = {"labels": {"cairn-shadow-12": "25"}}
    changed = client.patch(f"/v1/{endpoint}?updateMask=labels", json=label).raise_for_status().json()
    assert changed["labels"] == label["labels"]
    split = {"trafficSplit": {"12": 100}}
    for answer in (
        client.patch(f"/v1/{endpoint}?updateMask=trafficSplit", json=split),
        client.post(f"/v1/{endpoint}:deployModel", json={**deploy(), **split}),
        client.post(f"/v1/{endpoint}:undeployModel", json={"deployedModelId": "11", **split}),
    ):
        assert "can't be a shadow too" in refused(answer, "INVALID_ARGUMENT")["message"]
    both = {**split, "labels": {}}
    client.patch(f"/v1/{endpoint}?updateMask=trafficSplit,labels", json=both).raise_for_status()
    made = client.post(f"/v1/{PARENT}/endpoints", json={"displayName": "e", **label})
    assert "names no deployed model" in refused(made, "INVALID_ARGUMENT")["message"]


@pytest.mark.parametrize(
    ("verb", "body", "status", "says"),
    [
        ("undeployModel", {"deployedModelId": "13"}, "NOT_FOUND", "11, 12"),
        ("undeployModel", {"deployedModelId": "11"}, "FAILED_PRECONDITION", "100%"),
        ("undeployModel", {"deployedModelId": "11", "trafficSplit": {"11": 100}}, "INVALID_ARGUMENT", "11"),
        ("mutateDeployedModel", {"deployedModel": {"id": "13"}, "updateMask": "dedicatedResources"}, "NOT_FOUND", "13"),
        (
            "mutateDeployedModel",
            {"deployedModel": {"id": "11"}, "updateMask": "displayName"},
            "INVALID_ARGUMENT",
            "updateMask",
        ),
    ],
)
def test_bad_changes(client: httpx.Client, endpoint: str, verb: str, body: Any, status: str, says: str) -> None:
    """Undeploying or mutating what is not there, or leaving traffic without a model, is refused."""
    assert says in refused(client.post(f"/v1/{endpoint}:{verb}", json=body), status)["message"]


def test_scale_to_zero(client: httpx.Client, context: Context, endpoint: str) -> None:
    """v1beta1 has the fields, with Vertex' bounds; v1 has not and says that it does not know them."""
    zero = {"idleScaledownPeriod": "300s"}
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "initialReplicaCount": 1, "scaleToZeroSpec": zero}
    body = deploy(dedicatedResources=resources)
    answer = client.post(f"/v1beta1/{endpoint}:deployModel", json=body).raise_for_status().json()
    kept = context.store.get(answer["name"]).status["request"]["message"]["deployedModel"]["dedicatedResources"]
    assert (kept["initialReplicaCount"], kept["scaleToZeroSpec"]) == (1, zero)
    assert (
        "Unknown field" in refused(client.post(f"/v1/{endpoint}:deployModel", json=body), "INVALID_ARGUMENT")["message"]
    )
    zero["idleScaledownPeriod"] = "10s"
    bad = refused(client.post(f"/v1beta1/{endpoint}:deployModel", json=body), "INVALID_ARGUMENT")
    assert "idleScaledownPeriod is 10s" in bad["message"]


def test_masks_of_mutate(client: httpx.Client, context: Context, endpoint: str) -> None:
    """What the mask names changes, the rest stays; a least of 1 takes away what belongs to scaling to zero."""
    mask = "dedicatedResources.minReplicaCount,dedicatedResources.initialReplicaCount"
    zero = {"deployedModel": {"id": "11", "dedicatedResources": {"initialReplicaCount": 2}}, "updateMask": mask}
    kept = mutated(client, context, "v1beta1", zero)
    assert kept == {"machineSpec": {"machineType": "n1-standard-2"}, "initialReplicaCount": 2}

    def deployed(message: dict[str, Any], _: Any) -> None:
        message["deployedModels"][0]["dedicatedResources"] = kept

    context.store.update(NAME, deployed)
    back = {"deployedModel": {"id": "11", "dedicatedResources": {"minReplicaCount": 1, "maxReplicaCount": 2}}}
    kept = mutated(client, context, "v1", {**back, "updateMask": "dedicatedResources"})
    assert kept == {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 2}


def mutated(client: httpx.Client, context: Context, version: str, body: Any) -> Any:
    """The dedicated resources that a controller is to bring about."""
    answer = client.post(f"/{version}/{NAME}:mutateDeployedModel", json=body).raise_for_status().json()
    return context.store.get(answer["name"]).status["request"]["message"]["deployedModel"]["dedicatedResources"]


def test_predictions_that_reach_the_api(client: httpx.Client, context: Context, endpoint: str) -> None:
    """The text tells why the gateway has no server for the endpoint."""
    body = {"instances": [[1]]}
    assert (
        "/endpoints/7" in refused(client.post(f"/v1/{PARENT}/endpoints/7:predict", json=body), "NOT_FOUND")["message"]
    )
    refused(client.post(f"/v1/{endpoint}:rawPredict", content=b"not json"), "UNAVAILABLE")
    context.store.update(endpoint, lambda message, _: message.update(trafficSplit={}))
    assert "traffic" in refused(client.post(f"/v1/{endpoint}:predict", json=body), "FAILED_PRECONDITION")["message"]
    context.store.update(endpoint, lambda message, _: message.update(deployedModels=[]))
    assert "deployModel" in refused(client.post(f"/v1/{endpoint}:predict", json=body), "FAILED_PRECONDITION")["message"]


def test_ordered_pages(client: httpx.Client, context: Context) -> None:
    """Pages of an ordered list cover it once, in order."""
    for number in range(7):
        context.store.create(f"{PARENT}/endpoints/{number}", {"displayName": f"e{number * 3 % 7}"})
    found, query = [], {"pageSize": "3", "orderBy": "display_name desc", "pageToken": ""}
    for _ in range(3):
        page = client.get(f"/v1/{PARENT}/endpoints", params=query).raise_for_status().json()
        found += [each["displayName"] for each in page["endpoints"]]
        query["pageToken"] = page.get("nextPageToken", "")
    assert found == ["e6", "e5", "e4", "e3", "e2", "e1", "e0"]


def test_operations(client: httpx.Client, context: Context) -> None:
    """Wait returns when done or after its timeout; only the done can be deleted; what has not begun is cancelled."""
    name = f"{PARENT}/operations/5"
    context.store.create(name, {}, {"request": {"target": "t"}})
    assert "done" not in client.post(f"/v1/{name}:wait", json={"timeout": "0.3s"}).json()
    refused(client.delete(f"/v1/{name}"), "FAILED_PRECONDITION")
    assert client.post(f"/v1/{name}:cancel").json() == {}
    assert client.post(f"/v1/{name}:wait", json={}).json()["error"]["code"] == 1
    assert client.delete(f"/v1/{name}").json() == {}
    refused(client.get(f"/v1/{name}"), "NOT_FOUND")


LOGGING = "predictRequestResponseLoggingConfig"


def test_logging_is_completed_with_where_it_goes(client: httpx.Client, endpoint: str) -> None:
    """A folder of one's own or the staging bucket's; read back; changed and switched off by an update."""
    config = {"enabled": True, "samplingRate": 0.5}
    sent = {**config, "bigqueryDestination": {}}  # as Google's SDK sends it
    made = client.post(f"/v1/{PARENT}/endpoints", json={"displayName": "e", LOGGING: sent}).json()["response"]
    folder = made[LOGGING].pop("bigqueryDestination")["outputUri"]
    assert (made[LOGGING], folder.rsplit("/", 1)[1]) == (config, "request_response_logging")
    own = {**config, "bigqueryDestination": {"outputUri": "gs://own-bucket/some/where/"}}
    url = f"/v1/{endpoint}?updateMask={LOGGING}"
    assert client.patch(url, json={LOGGING: own}).status_code == 200
    found = client.get(f"/v1/{endpoint}").json()[LOGGING]
    assert found == {**config, "bigqueryDestination": {"outputUri": "gs://own-bucket/some/where"}}
    assert client.patch(url, json={}).status_code == 200
    assert LOGGING not in client.get(f"/v1/{endpoint}").json()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"enabled": True}, "samplingRate"),
        ({"enabled": True, "samplingRate": 1.5}, "samplingRate"),
        ({"enabled": True, "samplingRate": -1}, "samplingRate"),
        ({"enabled": True, "samplingRate": 1, "bigqueryDestination": {"outputUri": "bq://p.d.t"}}, "no BigQuery"),
        ({"bigqueryDestination": {"outputUri": "bq://p.d.t"}}, "no BigQuery"),
        ({"enabled": True, "samplingRate": 1, "bigqueryDestination": {"outputUri": "gs://b/'x"}}, "outputUri"),
        ({"enabled": True, "samplingRate": 1, "bigqueryDestination": {"outputUri": "/tmp"}}, "outputUri"),
    ],
)  # fmt: skip
def test_logging_that_can_not_be(client: httpx.Client, endpoint: str, wanted: dict[str, Any], says: str) -> None:
    """Refused when an endpoint is made and when it is changed, with what to do."""
    made = client.post(f"/v1/{PARENT}/endpoints", json={"displayName": "e", LOGGING: wanted})
    changed = client.patch(f"/v1/{endpoint}?updateMask={LOGGING}", json={LOGGING: wanted})
    for response in (made, changed):
        assert says in refused(response, "INVALID_ARGUMENT")["message"]
