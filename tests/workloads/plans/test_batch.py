"""Batch prediction jobs → a driver and its servers."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.controllers import PARENT, SERVING, config
from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import batch
from workloads.plans.container import INDEX, Group, Mount, Resources
from workloads.plans.errors import InvalidWish

NAME = f"{PARENT}/batchPredictionJobs/5"
MODEL = {
    "name": f"{PARENT}/models/m",
    "displayName": "mine",
    "artifactUri": "gs://models/m",
    "containerSpec": {"imageUri": SERVING},
}
MESSAGE: dict[str, Any] = {
    "model": f"{PARENT}/models/m",
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://input/*.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://output/here/"}},
    "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-4"}, "startingReplicaCount": 2},
}


def plan(settings: PlatformConfig | None = None, **changes: Any) -> list[Group]:
    """The job's groups."""
    return batch.plan(NAME, {**MESSAGE, **changes}, MODEL, "gs://output/here/p", 1, "token", settings or config())


def test_driver_and_servers() -> None:
    """The driver comes first, and knows where each server answers; servers end with the job."""
    groups = plan()
    assert [(group.name, group.replicas) for group in groups] == [("batch-5-1-0", 1), ("batch-5-1-1", 2)]
    (driver,), servers = groups[0].containers(), groups[1].containers()
    assert (driver.name, driver.image, driver.command) == ("batch-5-1-0-0", "b", ("python3", "-m", "workloads.batch"))
    assert driver.name == batch.driver(NAME, 1)
    assert {each.template.labels[contract.LABEL_NAME] for each in groups} == {"batch-5-1-0", "batch-5-1-1"}
    assert groups[1].template.labels[contract.LABEL_REPLICA] == f"1-{INDEX}"
    assert [server.name for server in servers] == ["batch-5-1-1-0", "batch-5-1-1-1"]
    assert {server.restart for server in servers} == {"never"}
    assert {server.labels[contract.LABEL_RESOURCE] for server in [driver, *servers]} == {NAME}
    assert [server.labels[contract.LABEL_REPLICA] for server in servers] == ["1-0", "1-1"]
    assert contract.LABEL_DEPLOYED_MODEL not in servers[0].labels, "the endpoints' controller leaves it alone"
    assert servers[0].resources == Resources(1, 512)
    assert servers[0].mounts == driver.mounts, "a prebuilt server reads and writes the job's files itself"
    assert servers[0].env["CAIRN_RUNTIME"] == "plain", "a conversion would be for single requests"
    assert Mount("objects", "/gcs/output", "output") in driver.mounts
    assert (driver.network, driver.calls) == (contract.NETWORK_WORKLOADS, groups[1].name)
    assert (servers[0].network, servers[0].egress) == (contract.NETWORK_SERVERS, False)


def test_the_task() -> None:
    """All that the driver needs is in its task file."""
    task = json.loads(
        plan(modelParameters={"k": 3}, manualBatchTuningParameters={"batchSize": 10})[0].template.files[batch.TASK_FILE]
    )
    assert task == {
        "name": NAME,
        "input_uris": ["gs://input/*.jsonl"],
        "instances_format": "jsonl",
        "predictions_format": "jsonl",
        "output_directory": "gs://output/here/p",
        "servers": ["http://batch-5-1-1-0:8080", "http://batch-5-1-1-1:8080"],
        "health_route": "/v1/endpoints/5/deployedModels/0",
        "predict_route": "/v1/endpoints/5/deployedModels/0:predict",
        "batch_size": 10,
        "parameters": {"k": 3},
        "prebuilt": True,
        "instance_type": "",
        "key_field": "",
        "included_fields": [],
        "excluded_fields": [],
    }
    shape = {"instanceType": "array", "keyField": "k", "includedFields": ["a"], "excludedFields": []}
    task = json.loads(plan(instanceConfig=shape)[0].template.files[batch.TASK_FILE])
    assert task["batch_size"] == 0
    assert (task["instance_type"], task["key_field"], task["included_fields"]) == ("array", "k", ["a"])


def test_a_container_of_ones_own_is_asked_by_vertex_contract() -> None:
    """It gets no part, and only the model's folder, to read; so does a prebuilt image with a command."""
    for container in ({"imageUri": "mine"}, {"imageUri": SERVING, "command": ["serve"]}):
        groups = batch.plan(NAME, MESSAGE, {**MODEL, "containerSpec": container}, "gs://o/p", 1, "token", config())
        assert json.loads(groups[0].template.files[batch.TASK_FILE])["prebuilt"] is False
        assert "CAIRN_RUNTIME" not in groups[1].template.env
        assert groups[1].template.mounts == (Mount("objects", "/gcs/models", "models", read_only=True),)


def test_servers_of_an_engine_with_a_domain() -> None:
    """The driver asks each server by itself, even where the engine balances an endpoint's."""
    settings = config(replica_domain="workloads", balanced=True)
    task = json.loads(plan(settings)[0].template.files[batch.TASK_FILE])
    assert task["servers"] == ["http://batch-5-1-1-0.workloads:8080", "http://batch-5-1-1-1.workloads:8080"]


def test_output_directory() -> None:
    """As Vertex names it: the model and the time, under the prefix."""
    time = datetime(2026, 11, 24, 3, 4, 5, 678901, UTC)
    assert batch.output_directory(MESSAGE, MODEL, time) == "gs://output/here/prediction-mine-2026_11_24T03_04_05_678Z"


def test_limits_price_and_buckets() -> None:
    """Only the servers reserve and cost; the token opens input, output and artefact."""
    assert batch.limits(NAME, MESSAGE, MODEL, config()) == [Resources(1, 512)] * 2
    assert batch.price_per_hour(NAME, MESSAGE, MODEL, config()) == pytest.approx(0.4)
    assert batch.buckets(MESSAGE, MODEL) == ("input", "models", "output")


def test_result() -> None:
    """The driver's last line; anything else is no result."""
    found = batch.Result(9, 1, 0, ("bad row",))
    assert batch.Result.from_line(json.dumps(asdict(found))) == found
    for line in ("", "done", "{}", "[]", '{"x": 1}', "null"):
        assert batch.Result.from_line(line) is None


def test_without_the_image() -> None:
    """A stack without the driver's image says so."""
    with pytest.raises(InvalidWish, match="'batch' image"):
        batch.plan(NAME, MESSAGE, MODEL, "gs://o/p", 0, "", config(images={"prediction/sklearn-cpu": "x"}))
