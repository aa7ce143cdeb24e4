"""Vertex' verbs on models, carried out in MLflow."""

import threading
from typing import Any

import httpx
import pytest

from tests.support.mlflow import FakeMlflow
from workloads.registry import (
    AlreadyExists,
    FailedPrecondition,
    Invalid,
    MlflowClient,
    NotFound,
    Registry,
    Unavailable,
)
from workloads.store import Store

PARENT = "projects/p/locations/l"
MODEL: dict[str, Any] = {
    "displayName": "Mine",
    "description": "about the model",
    "versionDescription": "about the version",
    "artifactUri": "gs://bucket/folder",
    "containerSpec": {"imageUri": "image:1"},
    "labels": {"team": "blue"},
}


@pytest.fixture
def mlflow() -> FakeMlflow:
    """An empty MLflow."""
    return FakeMlflow()


@pytest.fixture
def registry(mlflow: FakeMlflow, store: Store) -> Registry:
    """A registry over it."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport, patience_s=0)
    return Registry(client, store, PARENT, "gs://staging/mlflow")


def test_upload_and_get(registry: Registry, mlflow: FakeMlflow) -> None:
    """All of the message comes back; MLflow shows the name, an s3:// source, the label and both descriptions."""
    made = registry.upload({**MODEL, "versionAliases": ["stable"]}, model_id="mine")
    assert made["name"] == f"{PARENT}/models/mine"
    assert {key: made[key] for key in MODEL} == MODEL
    assert (made["versionId"], made["versionAliases"]) == ("1", ["default", "stable"])
    assert made["supportedDeploymentResourcesTypes"] == ["DEDICATED_RESOURCES"]
    version = mlflow.versions["mine"]["1"]
    assert (version["source"], version["description"]) == ("s3://bucket/folder", "about the version")
    assert {"key": "team", "value": "blue"} in version["tags"]
    assert (mlflow.models["mine"]["description"], mlflow.models["mine"]["aliases"]["default"]) == (
        "about the model",
        "1",
    )


def test_a_generated_id_is_a_number(registry: Registry) -> None:
    """Without a model id the model gets a number, as on Vertex."""
    assert registry.upload(MODEL)["name"].rsplit("/", 1)[1].isdigit()


def test_versions_and_the_default(registry: Registry) -> None:
    """A second version is the default only when it says so; names with version, alias or nothing mean what they say."""
    first = registry.upload({**MODEL, "versionAliases": ["stable"]}, model_id="m")
    second = registry.upload({**MODEL, "versionAliases": ["new"]}, parent_model=first["name"])
    assert (second["versionId"], second["versionAliases"]) == ("2", ["new"])
    assert registry.get("m")["versionId"] == "1"
    third = registry.upload({**MODEL, "versionAliases": ["default"]}, parent_model=first["name"])
    wanted = {"": "3", "@default": "3", "@1": "1", "@stable": "1", "@new": "2"}
    assert {suffix: registry.get(first["name"] + suffix)["versionId"] for suffix in wanted} == wanted
    assert [model["versionId"] for model in registry.list_versions(first["name"])] == ["3", "2", "1"]
    assert third["name"] == first["name"]


def test_what_is_not_there(registry: Registry) -> None:
    """A missing model, version or alias, and a name of another place, are a LookupError that says what there is."""
    registry.upload(MODEL, model_id="m")
    for name in ("none", "m@2", "m@alias", "projects/other/locations/l/models/m", "m/n", ""):
        with pytest.raises(LookupError):
            registry.get(name)
    with pytest.raises(NotFound, match="it has 1, default"):
        registry.get("m@nope")
    with pytest.raises(NotFound):
        registry.upload(MODEL, parent_model=f"{PARENT}/models/none")


def test_an_id_is_taken_once(registry: Registry, mlflow: FakeMlflow) -> None:
    """A taken id is refused; one whose upload broke off before the first version is free."""
    registry.upload(MODEL, model_id="m")
    with pytest.raises(AlreadyExists, match="parent model"):
        registry.upload(MODEL, model_id="m")
    MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport).create_model("half", "")
    assert registry.upload(MODEL, model_id="half")["versionId"] == "1"


def test_the_same_key_makes_one_version(registry: Registry, mlflow: FakeMlflow) -> None:
    """A controller that was killed after its upload gets the same version again, aliases completed."""
    made = registry.upload(MODEL, model_id="m", key="pipeline-1")
    mlflow.models["m"]["aliases"].clear()
    again = registry.upload({**MODEL, "versionAliases": ["late"]}, model_id="m", key="pipeline-1")
    assert (again["versionId"], again["versionAliases"]) == (made["versionId"], ["default", "late"])
    assert len(mlflow.versions["m"]) == 1


def test_refused_uploads_leave_nothing(registry: Registry, mlflow: FakeMlflow) -> None:
    """Bad ids and aliases are refused before, and a source that MLflow refuses leaves no empty model."""
    for model_id in ("Upper", "1st", "a b", "-a", "x" * 64):
        with pytest.raises(Invalid, match="model id"):
            registry.upload(MODEL, model_id=model_id)
    for alias in ("Upper", "a_b", "latest", "v2", "a-", "1", ""):
        with pytest.raises(Invalid, match="alias"):
            registry.upload({**MODEL, "versionAliases": [alias]}, model_id="m")
    assert mlflow.models == {}


def test_nothing_under_the_artifact_uri(mlflow: FakeMlflow, store: Store) -> None:
    """An artifactUri without objects is refused when the registry can look."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport)
    registry = Registry(client, store, PARENT, "gs://s/mlflow", lambda uri: uri == "gs://bucket/there")
    registry.upload({**MODEL, "artifactUri": "gs://bucket/there"}, model_id="m")
    with pytest.raises(Invalid, match="gs://bucket/folder is empty or not there"):
        registry.upload(MODEL, model_id="n")


def test_a_model_needs_no_artifact(registry: Registry) -> None:
    """A container that brings its model has no artifactUri; a bare bucket is one."""
    bare = {key: value for key, value in MODEL.items() if key != "artifactUri"}
    assert "artifactUri" not in registry.upload(bare, model_id="m")
    assert registry.upload({**MODEL, "artifactUri": "gs://bucket"}, model_id="n")["artifactUri"] == "gs://bucket"


def test_update(registry: Registry, mlflow: FakeMlflow) -> None:
    """The fields of the mask change and no others; labels are replaced whole; the etag changes."""
    made = registry.upload(MODEL, model_id="m")
    change = {"displayName": "New", "description": "d", "versionDescription": "v", "labels": {"a": "b"}}
    changed = registry.update("m", change, ["displayName", "labels"])
    assert (changed["displayName"], changed["labels"]) == ("New", {"a": "b"})
    assert (changed["description"], changed["versionDescription"]) == ("about the model", "about the version")
    assert changed["containerSpec"] == MODEL["containerSpec"]
    assert changed["etag"] != made["etag"]
    registry.update("m@1", change, ["description", "versionDescription"])
    assert (mlflow.models["m"]["description"], mlflow.versions["m"]["1"]["description"]) == ("d", "v")
    with pytest.raises(Invalid, match="artifactUri"):
        registry.update("m", {"artifactUri": "gs://x/y"}, ["artifactUri"])


def test_merge_version_aliases(registry: Registry) -> None:
    """Aliases move between versions, '-' takes one away, and default can only be moved."""
    registry.upload({**MODEL, "versionAliases": ["stable"]}, model_id="m")
    registry.upload(MODEL, parent_model="m")
    assert registry.merge_version_aliases("m@2", ["default", "stable"])["versionAliases"] == ["default", "stable"]
    assert registry.get("m@1").get("versionAliases") == []
    assert registry.merge_version_aliases("m@1", ["-stable"])["versionAliases"] == []
    assert registry.get("m@2")["versionAliases"] == ["default", "stable"]
    assert registry.merge_version_aliases("m@2", ["-stable"])["versionAliases"] == ["default"]
    with pytest.raises(Invalid, match="default"):
        registry.merge_version_aliases("m@2", ["-default"])


def test_delete(registry: Registry, mlflow: FakeMlflow) -> None:
    """Neither the only version nor the default one can be deleted; a model goes with all its versions."""
    registry.upload(MODEL, model_id="m")
    with pytest.raises(FailedPrecondition, match="only version"):
        registry.delete_version("m@1")
    registry.upload(MODEL, parent_model="m")
    with pytest.raises(FailedPrecondition, match="default version"):
        registry.delete_version("m@1")
    registry.delete_version("m@2")
    assert [model["versionId"] for model in registry.list_versions("m")] == ["1"]
    registry.delete("m")
    assert mlflow.models == {}


def test_deployed_versions_stay(registry: Registry, store: Store) -> None:
    """A deployed version says where, and neither it nor its model can be deleted; other models can."""
    name = registry.upload(MODEL, model_id="m")["name"]
    registry.upload(MODEL, parent_model="m")
    registry.upload(MODEL, model_id="m-2")
    endpoint = f"{PARENT}/endpoints/9"
    store.create(endpoint, {"deployedModels": [{"id": "7", "model": name, "modelVersionId": "2"}]})
    assert registry.get("m@2")["deployedModels"] == [{"endpoint": endpoint, "deployedModelId": "7"}]
    assert "deployedModels" not in registry.get("m@1")
    with pytest.raises(FailedPrecondition, match="endpoints/9"):
        registry.delete_version("m@2")
    with pytest.raises(FailedPrecondition, match="undeploy"):
        registry.delete("m")
    registry.delete("m-2")


def test_models_of_mlflow_alone(registry: Registry, mlflow: FakeMlflow) -> None:
    """A version that an MLflow client made has MLflow's name, its place and the container of its flavour."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport)
    client.create_model("from-mlflow", "")
    assert registry.list_models() == []
    client.create_version("from-mlflow", "s3://bucket/model", "", {"mlflow.user": "x", "note": "A sentence."})
    found = registry.get("from-mlflow")
    assert (found["displayName"], found["artifactUri"]) == ("from-mlflow", "gs://bucket/model")
    assert found["containerSpec"] == {"imageUri": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"}
    assert ("labels" in found, found["versionAliases"]) == (False, ["default"])
    looked = mlflow.calls.count("GET /model-versions/get-artifact")
    registry.get("from-mlflow")
    assert mlflow.calls.count("GET /model-versions/get-artifact") == looked  # a version never changes
    changed = registry.update("from-mlflow", {"displayName": "Named"}, ["displayName"])
    assert (changed["displayName"], changed["containerSpec"]) == ("Named", found["containerSpec"])


@pytest.mark.parametrize(
    ("flavours", "image"),
    [("sklearn", "sklearn-cpu"), ("xgboost", "xgboost-cpu"), ("lightgbm", "lightgbm-cpu"), ("prophet", None)],
)
def test_the_container_of_a_flavour(registry: Registry, mlflow: FakeMlflow, flavours: str, image: str | None) -> None:
    """The MLmodel file decides; a flavour without a prebuilt container leaves the model without one."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport)
    client.create_model("f", "")
    client.create_version("f", "s3://bucket/model", "", {})
    mlflow.artifacts["f", "1", "MLmodel"] = (
        f"artifact_path: model\nflavors:\n  {flavours}:\n    a: b\n  python_function:\n"
    )
    container = registry.get("f").get("containerSpec", {}).get("imageUri")
    assert (container is None) if image is None else image in container


def test_names_that_are_no_ids(registry: Registry, mlflow: FakeMlflow) -> None:
    """A registered model whose name can't be a Vertex id has one that stays, and is found and changed by it."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport)
    for name in ("My model.v2", "my model.v2", "it's", "x" * 100):
        client.create_model(name, "")
        client.create_version(name, "s3://bucket/model", "", {})
    found = {model["displayName"]: model["name"] for model in registry.list_models()}
    assert len(set(found.values())) == 4
    for display_name, name in found.items():
        assert registry.get(name)["displayName"] == display_name
        assert registry.merge_version_aliases(name, ["good"])["versionAliases"] == ["default", "good"]
        registry.delete(name)
    assert mlflow.models == {}


def test_mlflow_is_down(registry: Registry, mlflow: FakeMlflow) -> None:
    """No answer is Unavailable, not a missing model."""
    mlflow.down = True
    with pytest.raises(Unavailable, match="did not answer"):
        registry.get("m")


def test_a_request_waits_while_mlflow_is_replaced(mlflow: FakeMlflow) -> None:
    """What could not be sent is sent when MLflow is there again, so an upgrade of it is not noticed."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport, patience_s=10)
    mlflow.down = True
    back = threading.Timer(0.3, setattr, (mlflow, "down", False))
    back.start()
    client.create_model("m", "")
    back.join()
    assert [*mlflow.models] == ["m"]


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
def test_only_what_does_nothing_is_asked_twice(method: str, times: int) -> None:
    """An answer that breaks off may have been a change that was made: only a GET is sent again."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) == 1:
            raise httpx.RemoteProtocolError("broken off")
        return httpx.Response(200, json={"registered_model": {}})

    client = MlflowClient("http://tracking:5000", lambda: "token", httpx.MockTransport(answer), patience_s=10)
    if method == "GET":
        client.model("m")
    else:
        with pytest.raises(Unavailable, match="RemoteProtocolError"):
            client.create_model("m", "")
    assert asked == [method] * times
