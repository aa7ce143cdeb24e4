"""Google's own SDK, unchanged, against the app."""

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1beta1
from google.oauth2.credentials import Credentials

from tests.workloads.api.conftest import IMAGE, MODEL, PARENT, SERVING_IMAGE, token
from workloads.api.handlers import Context

POOL = [{"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": {"image_uri": IMAGE}}]


@pytest.fixture
def vertex(server: str) -> Any:
    """The SDK, pointed at the app."""
    aiplatform.init(
        project="test-project",
        location="us-central1",
        api_endpoint=server,
        api_transport="rest",
        credentials=Credentials(token=token()),  # type: ignore[no-untyped-call]
        staging_bucket="gs://staging",
    )
    return aiplatform


def test_custom_job(vertex: Any, context: Context) -> None:
    """Submit, get, list with a filter, cancel and delete a CustomJob."""
    job = vertex.CustomJob(display_name="job-1", worker_pool_specs=POOL, labels={"team": "ml"})
    job.submit()
    assert job.resource_name.startswith(f"{PARENT}/customJobs/")
    assert job.state == aiplatform.gapic.JobState.JOB_STATE_QUEUED
    assert vertex.CustomJob.get(job.resource_name).display_name == "job-1"
    found = vertex.CustomJob.list(filter='display_name="job-1" AND labels.team=ml', order_by="create_time desc")
    assert [each.resource_name for each in found] == [job.resource_name]
    assert vertex.CustomJob.list(filter='display_name="other"') == []
    job.cancel()
    assert context.store.get(job.resource_name).state == "JOB_STATE_CANCELLING"
    context.store.update(job.resource_name, lambda message, _: message.update(state="JOB_STATE_CANCELLED"))
    job.delete()
    with pytest.raises(exceptions.NotFound):
        vertex.CustomJob.get(job.resource_name)


def test_endpoint(vertex: Any) -> None:
    """Create, update, list and delete an Endpoint; the operations are answered done."""
    endpoint = vertex.Endpoint.create(display_name="e", labels={"a": "b"})
    endpoint.update(display_name="e2", description="second")
    assert vertex.Endpoint(endpoint.name).display_name == "e2"
    assert [e.name for e in vertex.Endpoint.list(filter="labels.a=b")] == [endpoint.name]
    with pytest.raises(exceptions.BadRequest, match="123"):
        endpoint.update(traffic_split={"123": 60})
    endpoint.delete()
    assert vertex.Endpoint.list() == []


def test_deploy_is_left_to_a_controller(vertex: Any, context: Context) -> None:
    """A deployModel makes an open operation with the request in it; once a controller fills it, the SDK goes on."""
    endpoint = vertex.Endpoint.create(display_name="e")
    client = endpoint.api_client
    deployed = {
        "model": MODEL,
        "dedicated_resources": {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1},
    }
    operation = client.deploy_model(endpoint=endpoint.resource_name, deployed_model=deployed, traffic_split={"0": 100})
    (row,) = context.store.list("operations", states=["RUNNING"])
    request = row.status["request"]
    assert (request["method"], request["target"]) == ("deployModel", endpoint.resource_name)
    made = request["message"]["deployedModel"]
    packed = {"@type": "type.googleapis.com/google.cloud.aiplatform.v1.DeployModelResponse", "deployedModel": made}
    context.store.update(row.name, lambda message, _: message.update(done=True, response=packed))
    assert operation.result(timeout=10).deployed_model.id == made["id"]


def test_errors_are_googles(vertex: Any) -> None:
    """The SDK raises its own exceptions, with texts that help."""
    bad = vertex.CustomJob(
        display_name="bad", worker_pool_specs=[{**POOL[0], "machine_spec": {"machine_type": "n1-standart-4"}}]
    )
    with pytest.raises(exceptions.BadRequest, match="n1-standard-4"):
        bad.submit()
    with pytest.raises(exceptions.MethodNotImplemented, match=r"COVERAGE\.md"):
        vertex.Tensorboard.create(display_name="t")


def test_custom_training_job(vertex: Any, context: Context) -> None:
    """CustomContainerTrainingJob submits a pipeline whose inputs, snake case in a Struct, pass the checks of a job."""
    training = vertex.CustomContainerTrainingJob(
        display_name="t", container_uri=IMAGE, model_serving_container_image_uri=SERVING_IMAGE, labels={"a": "b"}
    )
    training.submit(
        model_display_name="m",
        machine_type="n1-standard-4",
        replica_count=1,
        base_output_dir="gs://staging/out",
        environment_variables={"A": "1"},
        args=["--x", 1],
        timeout=60,
        restart_job_on_worker_restart=True,
    )
    (row,) = context.store.list("trainingPipelines")
    assert row.state == "PIPELINE_STATE_QUEUED"
    assert row.message["modelToUpload"]["displayName"] == "m"
    assert vertex.CustomContainerTrainingJob.list(filter='display_name="t"')[0].resource_name == row.name
    training.cancel()
    assert context.store.get(row.name).state == "PIPELINE_STATE_CANCELLING"


def test_v1beta1(vertex: Any, server: str) -> None:
    """The v1beta1 client creates, and reads what the v1 client made."""
    job = vertex.CustomJob(display_name="job-1", worker_pool_specs=POOL)
    job.submit()
    options = {"api_endpoint": server}
    credentials = Credentials(token=token())  # type: ignore[no-untyped-call]
    client = aiplatform_v1beta1.JobServiceClient(credentials=credentials, transport="rest", client_options=options)
    assert client.get_custom_job(name=job.resource_name).display_name == "job-1"
    spec: Any = {"display_name": "beta", "job_spec": {"worker_pool_specs": POOL}}
    made = client.create_custom_job(parent=PARENT, custom_job=spec)
    assert [each.name for each in client.list_custom_jobs(parent=PARENT)] == [made.name, job.resource_name]
    deletion: Any = client.delete_custom_job(name=made.name)
    assert deletion.result(timeout=10) is not None
