"""ModelService through Google's own SDK: aiplatform.Model, its registry, and the refusals."""

import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from google.api_core import exceptions
from google.cloud import aiplatform
from google.oauth2.credentials import Credentials

from tests.support.mlflow import FakeMlflow
from tests.workloads.api.conftest import KEY, PARENT, SERVING_IMAGE, VERIFY, token
from workloads.api.app import create_app
from workloads.api.handlers import Context
from workloads.config import PlatformConfig
from workloads.registry import MlflowClient, Registry
from workloads.store import Store

THERE = "gs://bucket/model"


@pytest.fixture
def mlflow() -> FakeMlflow:
    """An empty MLflow."""
    return FakeMlflow()


@pytest.fixture
def url(config: PlatformConfig, store: Store, mlflow: FakeMlflow) -> Iterator[str]:
    """The app over that MLflow, behind uvicorn; artefacts exist under THERE."""
    client = MlflowClient("http://tracking:5000", lambda: "token", mlflow.transport, patience_s=0)
    registry = Registry(client, store, PARENT, "gs://staging/mlflow", lambda uri: uri == THERE)
    running = uvicorn.Server(
        uvicorn.Config(create_app(Context(config, store, registry), KEY, VERIFY), port=0, log_level="warning")
    )
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    running.should_exit = True
    thread.join()


@pytest.fixture
def vertex(url: str) -> Any:
    """The SDK, pointed at the app."""
    aiplatform.init(
        project="test-project",
        location="us-central1",
        api_endpoint=url,
        api_transport="rest",
        credentials=Credentials(token=token()),  # type: ignore[no-untyped-call]
    )
    return aiplatform


def upload(**changes: Any) -> Any:
    """Model.upload of a good model."""
    wanted = {
        "display_name": "mine",
        "artifact_uri": THERE,
        "serving_container_image_uri": SERVING_IMAGE,
        "labels": {"team": "blue"},
        **changes,
    }
    return aiplatform.Model.upload(**wanted)


def post(url: str, path: str, body: dict[str, Any]) -> httpx.Response:
    """A plain POST by the admin."""
    return httpx.post(f"{url}/v1/{path}", json=body, headers={"Authorization": f"Bearer {token()}"})


def test_versions(vertex: Any, mlflow: FakeMlflow) -> None:
    """Two uploads, the second into the first's model: ids, default, aliases and MLflow agree."""
    first = upload(model_id="mine", version_aliases=["stable"], version_description="one")
    second = upload(parent_model=first.resource_name, is_default_version=True, version_aliases=["candidate"])
    assert (first.version_id, second.version_id, second.name) == ("1", "2", "mine")
    assert aiplatform.Model("mine").version_id == "2"
    assert aiplatform.Model("mine@stable").version_description == "one"
    assert aiplatform.Model("mine", version="1").version_aliases == ["stable"]
    assert mlflow.models["mine"]["aliases"] == {"default": "2", "stable": "1", "candidate": "2"}
    listed = aiplatform.models.ModelRegistry("mine").list_versions()
    assert [(version.version_id, set(version.version_aliases or [])) for version in listed] == [
        ("2", {"default", "candidate"}),
        ("1", {"stable"}),
    ]


def test_a_version_that_is_not_the_default(vertex: Any) -> None:
    """is_default_version=False leaves the default where it is."""
    first = upload(model_id="mine")
    upload(parent_model=first.resource_name, is_default_version=False)
    assert aiplatform.Model("mine").version_id == "1"


def test_aliases(vertex: Any) -> None:
    """The SDK's registry adds, moves and removes aliases."""
    upload(model_id="mine")
    upload(parent_model="mine", is_default_version=False)
    registry = aiplatform.models.ModelRegistry("mine")
    registry.add_version_aliases(["good", "default"], "2")
    assert aiplatform.Model("mine").version_id == "2"
    registry.remove_version_aliases(["good"], "2")
    assert registry.get_version_info("2").version_aliases == ["default"]


def test_list_filters_and_pages(vertex: Any, url: str) -> None:
    """Lists are filtered by name and label, ordered and paged; the default version stands for each model."""
    for number in range(5):
        upload(model_id=f"m{number}", display_name=f"n{number % 2}", labels={"number": str(number)})
    assert sorted(model.name for model in aiplatform.Model.list()) == [f"m{number}" for number in range(5)]
    assert [model.name for model in aiplatform.Model.list(filter='labels.number="3"')] == ["m3"]
    found = aiplatform.Model.list(filter='display_name="n1"', order_by="create_time")
    assert [model.name for model in found] == ["m1", "m3"]
    headers = {"Authorization": f"Bearer {token()}"}
    page = httpx.get(f"{url}/v1/{PARENT}/models?pageSize=2&orderBy=display_name", headers=headers).json()
    assert len(page["models"]) == 2
    following = httpx.get(
        f"{url}/v1/{PARENT}/models?pageSize=9&orderBy=display_name&pageToken={page['nextPageToken']}", headers=headers
    )
    assert len(following.json()["models"]) == 3


def test_update(vertex: Any) -> None:
    """Model.update changes names, descriptions and labels; other fields are refused by name."""
    model = upload(model_id="mine")
    model.update(display_name="new", description="text", labels={"a": "b"})
    found = aiplatform.Model("mine")
    assert (found.display_name, found.description, found.labels) == ("new", "text", {"a": "b"})
    assert found.container_spec is not None
    assert found.container_spec.image_uri == SERVING_IMAGE


def test_delete(vertex: Any) -> None:
    """A version that is not the default goes, then the model; what is gone is a 404."""
    model = upload(model_id="mine")
    upload(parent_model="mine", is_default_version=False)
    registry = aiplatform.models.ModelRegistry("mine")
    with pytest.raises(exceptions.BadRequest, match="default"):
        registry.delete_version("1")
    registry.delete_version("2")
    model.delete()
    with pytest.raises(exceptions.NotFound):
        aiplatform.Model("mine")


def test_deployed(vertex: Any, store: Store) -> None:
    """A deployed model can't be deleted, and says where it is deployed."""
    model = upload(model_id="mine")
    deployed = {"id": "7", "model": model.resource_name, "modelVersionId": "1"}
    store.create(f"{PARENT}/endpoints/9", {"displayName": "e", "deployedModels": [deployed]})
    with pytest.raises(exceptions.BadRequest, match="endpoints/9"):
        model.delete()
    assert aiplatform.Model("mine").gca_resource.deployed_models[0].deployed_model_id == "7"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artifact_uri": "gs://bucket/empty"}, "empty or not there"),
        ({"artifact_uri": "/tmp/x", "serving_container_image_uri": SERVING_IMAGE}, "gs://"),
        ({"serving_container_image_uri": "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"}, "tf2-cpu"),
        ({"labels": {"Team": "x"}}, "label"),
        ({"model_id": "1st"}, "(?i)model id"),
        ({"version_aliases": ["v1"]}, "reserved"),
        ({"env": [{"name": "KEY", "value": "secret://s"}]}, "containerSpec.env can't refer to a secret"),
    ],
)
def test_bad_models(url: str, changes: dict[str, Any], message: str) -> None:
    """What can't be served or kept is refused at the upload, by field."""
    model: dict[str, Any] = {
        "displayName": "m",
        "artifactUri": changes.get("artifact_uri", THERE),
        "containerSpec": {
            "imageUri": changes.get("serving_container_image_uri", SERVING_IMAGE),
            "env": changes.get("env", []),
        },
        "labels": changes.get("labels", {}),
        "versionAliases": changes.get("version_aliases", []),
    }
    answer = post(url, f"{PARENT}/models:upload", {"model": model, "modelId": changes.get("model_id", "good")})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert re.search(message, answer.json()["error"]["message"])


def test_more_refusals(url: str) -> None:
    """A taken id, a missing container, unsupported fields, copies and exports each have Google's status."""
    good = {"displayName": "m", "containerSpec": {"imageUri": SERVING_IMAGE}}
    assert post(url, f"{PARENT}/models:upload", {"model": good, "modelId": "m"}).status_code == 200
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"model": good, "modelId": "m"}, 409, "ALREADY_EXISTS"),
        ({"model": good, "parentModel": f"{PARENT}/models/none"}, 404, "NOT_FOUND"),
        ({"model": {"displayName": "m"}}, 400, "INVALID_ARGUMENT"),
        ({"model": {**good, "displayName": ""}}, 400, "INVALID_ARGUMENT"),
        ({"model": {**good, "encryptionSpec": {"kmsKeyName": "k"}}}, 501, "UNIMPLEMENTED"),
    ]
    for body, code, status in cases:
        answer = post(url, f"{PARENT}/models:upload", body)
        assert (answer.status_code, answer.json()["error"]["status"]) == (code, status), answer.text
    copy = post(url, f"{PARENT}/models:copy", {"sourceModel": f"{PARENT}/models/m"})
    export = post(url, f"{PARENT}/models/m:export", {"outputConfig": {"exportFormatId": "x"}})
    assert [copy.status_code, export.status_code] == [501, 501]


def test_mlflow_is_down(url: str, mlflow: FakeMlflow) -> None:
    """When MLflow does not answer, neither do its models: 503, which clients retry."""
    mlflow.down = True
    answer = httpx.get(f"{url}/v1/{PARENT}/models/m", headers={"Authorization": f"Bearer {token()}"})
    assert (answer.status_code, answer.json()["error"]["status"]) == (503, "UNAVAILABLE")
