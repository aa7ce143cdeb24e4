"""Deployed models → servers."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.controllers import PARENT, SERVING, config
from workloads import contract
from workloads.plans import serving
from workloads.plans.container import Mount, Probe, Resources
from workloads.plans.errors import InvalidWish
from workloads.plans.serving import DeployedModel

ENDPOINT = f"{PARENT}/endpoints/9"
MODEL = DeployedModel(ENDPOINT, "7", f"{PARENT}/models/m", SERVING, artifact_uri="gs://models/m/1", weight=90)


def test_the_label_holds_it_all() -> None:
    """A deployed model survives its label, which is the same text every time."""
    full = replace(MODEL, command=("a",), args=("b", "c"), env={"X": "1"}, replicas=2, predict_route="/p", port=9)
    for model in (MODEL, full):
        assert DeployedModel.from_json(model.to_json()) == model
        assert DeployedModel.from_json(model.to_json()).to_json() == model.to_json()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"endpoint": 1, "nonsense": 2}', "null"])
def test_a_broken_label_is_refused(text: str) -> None:
    """With the label's name."""
    with pytest.raises(InvalidWish, match=r"cairn\.deployed-model"):
        DeployedModel.from_json(text)


def test_one_server() -> None:
    """Vertex' serving contract: environment, default routes, health check; its artefact's bucket, read-only."""
    (one,) = serving.plan(MODEL, "token", config()).containers()
    base = "/v1/endpoints/9/deployedModels/7"
    assert (one.name, one.image, one.resources) == ("model-9-7-0", "local/serving", Resources(0.5, 256))
    expected = {
        "AIP_MODE": "PREDICTION",
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": base,
        "AIP_PREDICT_ROUTE": f"{base}:predict",
        "AIP_STORAGE_URI": "gs://models/m/1",
        "AIP_ENDPOINT_ID": "9",
        "AIP_DEPLOYED_MODEL_ID": "7",
        "AIP_MACHINE_TYPE": "n1-standard-2",
    }
    assert {key: one.env.get(key) for key in expected} == expected
    assert one.probe == Probe(8080, base)
    assert one.restart == "always"
    assert one.mounts == (Mount("objects", "/gcs/models", "models", read_only=True),)
    assert one.files["/run/secrets/token"] == "token"
    assert DeployedModel.from_json(one.labels[contract.LABEL_DEPLOYED_MODEL]) == MODEL
    assert one.labels[contract.LABEL_RESOURCE] == ENDPOINT


def test_replicas_and_custom_routes() -> None:
    """Each replica has a name of its own, which is also where it is reached; the model's own routes and port count."""
    model = replace(
        MODEL, replicas=2, image="mine", port=9, predict_route="/p", health_route="/h", env={"AIP_MODE": "x", "Y": "1"}
    )
    group = serving.plan(model, "", config())
    specs = group.containers()
    assert (group.name, [spec.name for spec in specs]) == ("model-9-7", ["model-9-7-0", "model-9-7-1"])
    assert serving.addresses(model, config()) == ["model-9-7-0:9", "model-9-7-1:9"]
    assert serving.addresses(model, config(balanced=True)) == ["model-9-7:9"]
    assert [spec.labels[contract.LABEL_REPLICA] for spec in specs] == ["0-0", "0-1"]
    assert specs[1].probe == Probe(9, "/h")
    assert (specs[1].env["AIP_PREDICT_ROUTE"], specs[1].env["Y"], specs[1].env["HOME"]) == ("/p", "1", "/tmp")
    assert specs[1].env["AIP_MODE"] == "PREDICTION", "the contract wins"
    assert serving.limits(model, config()) == [Resources(0.5, 256)] * 2


def test_command_args_and_variables_refer_to_variables() -> None:
    """As Vertex documents for a model's containerSpec: its own variables and the user's, in their order; $$ escapes."""
    model = replace(
        MODEL,
        command=("sh", "$(A)", "$(AIP_HTTP_PORT)"),
        args=("$$(A)", "$(none)", "$(B)", "$A", "cost: 5$", "$("),
        env={"B": "before $(A)", "A": "1", "C": "$(A)-$(AIP_ENDPOINT_ID)-$(AIP_MODE)", "AIP_MODE": "x"},
    )
    (one,) = serving.plan(DeployedModel.from_json(model.to_json()), "", config()).containers()
    assert one.command == ("sh", "1", "8080")
    assert one.args == ("$(A)", "$(none)", "before $(A)", "$A", "cost: 5$", "$(")
    assert one.env["C"] == "1-9-PREDICTION"


def message(**container: Any) -> dict[str, Any]:
    """A Model message of the registry."""
    return {
        "name": f"{PARENT}/models/m@3", "versionId": "3", "displayName": "mine", "artifactUri": "gs://a-b/c",
        "containerSpec": {"imageUri": SERVING, **container},
    }  # fmt: skip


def test_from_messages() -> None:
    """What the messages say, as Vertex reads them."""
    deployed = {"dedicatedResources": {"machineSpec": {"machineType": "n1-standard-4"}, "minReplicaCount": 2}}
    container = {
        "command": ["c"], "args": ["a"], "env": [{"name": "E", "value": "v"}], "ports": [{"containerPort": 7080}],
        "predictRoute": "/p", "healthRoute": "/h",
    }  # fmt: skip
    assert serving.from_messages(ENDPOINT, "7", deployed, message(**container)) == DeployedModel(
        endpoint=ENDPOINT, id="7", model=f"{PARENT}/models/m", image=SERVING, model_version_id="3", display_name="mine",
        artifact_uri="gs://a-b/c", replicas=2, machine={"machineType": "n1-standard-4"}, command=("c",), args=("a",),
        env={"E": "v"}, port=7080, predict_route="/p", health_route="/h",
    )  # fmt: skip


def test_from_messages_defaults() -> None:
    """Nothing said: one replica, Vertex' default machine, the deployed model's own display name first."""
    model = serving.from_messages(
        ENDPOINT, "7", {"displayName": "d", "automaticResources": {"minReplicaCount": 3}}, message()
    )
    assert (model.replicas, model.machine, model.display_name, model.port) == (
        3,
        {"machineType": "n1-standard-2"},
        "d",
        8080,
    )
    assert serving.from_messages(ENDPOINT, "7", {}, message()).replicas == 1


def test_refused() -> None:
    """A model without a serving image, an unknown prebuilt one, and no replica at all."""
    with pytest.raises(InvalidWish, match=r"containerSpec\.imageUri"):
        serving.from_messages(ENDPOINT, "7", {}, {"name": "m"})
    with pytest.raises(InvalidWish, match="xgboost"):
        serving.plan(
            replace(MODEL, image="us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.1-1:latest"), "", config()
        )
    with pytest.raises(InvalidWish, match="at least 1"):
        serving.plan(replace(MODEL, replicas=0), "", config())


def test_buckets() -> None:
    """Only the artefact's."""
    assert serving.buckets(MODEL) == ("models",)
    assert serving.buckets(replace(MODEL, artifact_uri="")) == ()
