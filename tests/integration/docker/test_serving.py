"""Models, endpoints, predictions and batch predictions on a real stack, through Google's SDK and MLflow's client."""

import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import joblib
import mlflow
import numpy as np
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, storage
from sklearn.dummy import DummyRegressor

from tests.support.stack import Stack

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"


def constant_model(bucket: storage.Bucket, value: float) -> str:
    """The gs:// folder of a model that always predicts `value`: it tells which version answered."""
    buffer = io.BytesIO()
    joblib.dump(DummyRegressor(strategy="constant", constant=value).fit(np.zeros((2, 2)), [0.0, 1.0]), buffer)
    bucket.blob(f"models/{value}/model.joblib").upload_from_string(buffer.getvalue())
    return f"gs://{bucket.name}/models/{value}"


@pytest.fixture(scope="module")
def versions(stack: Stack, vertex: Any, bucket: storage.Bucket) -> Iterator[tuple[aiplatform.Model, aiplatform.Model]]:
    """Two versions of one model: the first answers 1.0, the second (the default) 2.0."""
    first = aiplatform.Model.upload(
        display_name="constant",
        model_id="constant",
        artifact_uri=constant_model(bucket, 1.0),
        serving_container_image_uri=SERVING,
        labels={"team": "blue"},
        version_aliases=["stable"],
    )
    second = aiplatform.Model.upload(
        display_name="constant",
        parent_model=first.resource_name,
        artifact_uri=constant_model(bucket, 2.0),
        serving_container_image_uri=SERVING,
        is_default_version=True,
        labels={"team": "blue"},
        version_aliases=["candidate"],
    )
    yield first, second
    first.delete()


@pytest.fixture(scope="module")
def endpoint(versions: tuple[aiplatform.Model, aiplatform.Model]) -> Iterator[aiplatform.Endpoint]:
    """An endpoint with both versions, traffic 80/20."""
    endpoint = aiplatform.Endpoint.create(display_name="constants")
    first, second = versions
    endpoint.deploy(first, deployed_model_display_name="one", machine_type="n1-standard-2", traffic_percentage=100)
    endpoint.deploy(second, deployed_model_display_name="two", machine_type="n1-standard-2", traffic_percentage=20)
    yield endpoint
    endpoint.delete(force=True)


def test_versions_and_aliases(stack: Stack, versions: tuple[aiplatform.Model, aiplatform.Model]) -> None:
    """Versions, aliases and the default are as on Vertex, and MLflow's client sees the same ones."""
    first, second = versions
    assert (first.version_id, second.version_id) == ("1", "2")
    assert first.resource_name == second.resource_name
    assert aiplatform.Model("constant").version_id == "2"
    assert aiplatform.Model("constant@stable").version_id == "1"
    listed = aiplatform.models.ModelRegistry("constant").list_versions()
    assert sorted(version.version_id for version in listed) == ["1", "2"]
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias("constant", "candidate").version == "2"
    assert client.get_model_version_by_alias("constant", "default").version == "2"
    assert {version.version for version in client.search_model_versions("name='constant'")} == {"1", "2"}


def test_a_model_made_by_mlflow(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """A version registered by MLflow's client alone is a Vertex model."""
    client = mlflow.MlflowClient()
    client.create_registered_model("from-mlflow")
    client.create_model_version("from-mlflow", constant_model(bucket, 3.0).replace("gs://", "s3://"))
    model = aiplatform.Model("from-mlflow")
    assert model.display_name == "from-mlflow"
    assert model.uri == constant_model(bucket, 3.0)
    assert "from-mlflow" in [other.name for other in aiplatform.Model.list()]
    client.delete_registered_model("from-mlflow")


def test_list_by_label(versions: tuple[aiplatform.Model, aiplatform.Model]) -> None:
    """Model.list filters by label and display name."""
    assert [model.name for model in aiplatform.Model.list(filter='labels.team="blue"')] == ["constant"]
    assert not aiplatform.Model.list(filter='labels.team="red"')


def test_predict_splits_traffic(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """Predictions come from both versions in the declared shares, and each says which one it was."""
    url = f"{stack.api_endpoint}/v1/{endpoint.resource_name}:predict"
    seen: dict[str, int] = {"1": 0, "2": 0}
    with httpx.Client(headers=stack.headers, timeout=30) as client:
        for _ in range(500):
            answer = client.post(url, json={"instances": [[0, 0]]})
            body = answer.raise_for_status().json()
            assert body["predictions"] == [float(body["modelVersionId"])]
            seen[body["modelVersionId"]] += 1
    assert seen["2"] / 500 == pytest.approx(0.20, abs=0.02)


def test_sdk_predict_and_raw_predict(endpoint: aiplatform.Endpoint) -> None:
    """The SDK's predict names model and version; raw_predict passes the server's own answer through."""
    prediction = endpoint.predict(instances=[[0, 0], [1, 1]])
    assert prediction.predictions == [float(str(prediction.model_version_id))] * 2
    assert prediction.deployed_model_id in endpoint.traffic_split
    body = json.dumps({"instances": [[0, 0]]}).encode()
    raw = endpoint.raw_predict(body=body, headers={"Content-Type": "application/json"})
    assert set(raw.json()) == {"predictions"}


def test_traffic_split_can_change(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """An updated traffic split takes effect, and the other version gets nothing any more."""
    ids = {model.display_name: model.id for model in endpoint.list_models()}
    endpoint.update(traffic_split={ids["one"]: 0, ids["two"]: 100})
    try:
        endpoint.predict(instances=[[0, 0]])  # a connection that is open already gets one more answer the old way
        assert {endpoint.predict(instances=[[0, 0]]).model_version_id for _ in range(20)} == {"2"}
    finally:
        endpoint.update(traffic_split={ids["one"]: 80, ids["two"]: 20})


def test_bad_instances_are_the_callers_fault(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """A prediction with malformed instances is a 400 in Google's error model."""
    url = f"{stack.api_endpoint}/v1/{endpoint.resource_name}:predict"
    for body in ({"instances": "x"}, {"instance": [[0, 0]]}, {}, [[0, 0]]):
        answer = httpx.post(url, json=body, headers=stack.headers, timeout=30)
        assert answer.status_code == 400, (body, answer.text)
        assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


def test_predictions_want_a_token(stack: Stack, endpoint: aiplatform.Endpoint) -> None:
    """Without a token, or with a forged one, the gateway answers 401 in Google's error model."""
    url = f"{stack.api_endpoint}/v1/{endpoint.resource_name}:predict"
    for value in ("", "Bearer forged", f"Bearer {stack.token}x"):
        headers = {"Authorization": value} if value else {}
        answer = httpx.post(url, json={"instances": [[0, 0]]}, headers=headers, timeout=30)
        assert answer.status_code == 401
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


def test_an_endpoint_with_models_is_not_deleted(endpoint: aiplatform.Endpoint) -> None:
    """Deleting an endpoint that still serves is refused with what to do first."""
    with pytest.raises(exceptions.BadRequest, match=r"[Uu]ndeploy"):
        endpoint.delete(force=False)


def test_batch_prediction(versions: tuple[aiplatform.Model, aiplatform.Model], bucket: storage.Bucket) -> None:
    """A batch job answers every good row in order, writes bad ones to the errors file, and counts both."""
    rows = ["[0, 0]"] * 250 + ["{broken"] + ["[1, 1]"] * 49
    bucket.blob("batch/in.jsonl").upload_from_string("\n".join(rows))
    job = versions[1].batch_predict(
        job_display_name="batch",
        gcs_source=f"gs://{bucket.name}/batch/in.jsonl",
        instances_format="jsonl",
        gcs_destination_prefix=f"gs://{bucket.name}/batch/out",
        predictions_format="jsonl",
        machine_type="n1-standard-2",
    )
    job.wait_for_completion()
    stats = job.completion_stats
    assert stats is not None
    assert (stats.successful_count, stats.failed_count) == (299, 1)
    blobs = {blob.name: blob for blob in bucket.list_blobs(prefix="batch/out/")}
    names = [name for name in sorted(blobs) if "/predictions_" in name or "results" in name]
    results = "".join(blobs[name].download_as_text() for name in names)
    predictions = [json.loads(line)["prediction"] for line in results.splitlines()]
    assert predictions == [2.0] * 299
    errors = "".join(blobs[name].download_as_text() for name in blobs if "errors" in name)
    assert "broken" in errors


def test_gs_and_s3_name_the_same_objects(stack: Stack, vertex: Any, bucket: storage.Bucket) -> None:
    """What google-cloud-storage uploads, boto3 reads, and the other way round."""
    s3 = boto3.client(
        "s3",
        endpoint_url=stack.object_store_endpoint,
        aws_access_key_id=stack.access_key,
        aws_secret_access_key=stack.secret_key,
        region_name="us-east-1",
    )
    bucket.blob("both/gs").upload_from_string("from gs")
    assert s3.get_object(Bucket=bucket.name, Key="both/gs")["Body"].read() == b"from gs"
    s3.put_object(Bucket=bucket.name, Key="both/s3", Body=b"from s3")
    assert bucket.blob("both/s3").download_as_bytes() == b"from s3"
