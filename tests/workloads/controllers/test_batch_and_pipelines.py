"""Batch prediction jobs and training pipelines through the running controllers."""

import json
from typing import Any

import pytest

from tests.support.controllers import PARENT, World, eventually, job, pool
from tests.support.fake_engine import FakeEngine
from workloads.registry import AlreadyExists, Unavailable
from workloads.store import Json

INPUTS: Json = {
    "worker_pool_specs": [
        {
            "machine_spec": {"machine_type": "n1-standard-2"},
            "replica_count": 1.0,
            "container_spec": {"image_uri": "mine", "command": ["x"]},
        }
    ],
    "base_output_directory": {"output_uri_prefix": "gs://out/run"},
}


def batch(model: str) -> Json:
    """A queued batch prediction job's message."""
    return {
        "displayName": "b",
        "state": "JOB_STATE_QUEUED",
        "model": model,
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://input/x"]}},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://output"}},
        "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}},
    }


def test_batch_prediction(here: World, engine: FakeEngine) -> None:
    """Driver and server run together; the driver's last line becomes counts, output and partial failures."""
    with here.running():
        name = here.job(batch(here.models.add("m")), collection="batchPredictionJobs")
        here.until(name, "JOB_STATE_RUNNING")
        assert set(engine.containers) == {"batch-1-0-0-0", "batch-1-0-1-0"}
        result = {"successful_count": 9, "failed_count": 2, "incomplete_count": 0, "errors": ["bad row"]}
        engine.say("batch-1-0-0-0", "batch: 9 predicted", json.dumps(result))
        engine.end("batch-1-0-0-0", 0)
        row = here.until(name, "JOB_STATE_SUCCEEDED")
        assert eventually(lambda: engine.containers == {})
    message = row.message
    assert message["completionStats"] == {"successfulCount": "9", "failedCount": "2", "incompleteCount": "0"}
    assert message["outputInfo"]["gcsOutputDirectory"].startswith("gs://output/prediction-m-")
    assert message["partialFailures"] == [{"code": 3, "message": "bad row"}]
    assert row.status["usage"]["cpu_seconds"] > 0


def test_how_far_a_batch_prediction_is(here: World, engine: FakeEngine) -> None:
    """While it runs its message tells the driver's latest figures and its replicas' hours; so it does if it fails."""
    with here.running(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("workloads.controllers.batch_prediction_jobs.BatchPredictionJobs.meter_s", 0.2)
        name = here.job(batch(here.models.add("m")), collection="batchPredictionJobs")
        here.until(name, "JOB_STATE_RUNNING")
        engine.say("batch-1-0-0-0", json.dumps({"successful_count": 5, "failed_count": 1, "incomplete_count": -1}))
        assert eventually(lambda: "completionStats" in here.store.get(name).message)
        message = here.store.get(name).message
        assert message["completionStats"] == {"successfulCount": "5", "failedCount": "1", "incompleteCount": "-1"}
        assert message["state"] == "JOB_STATE_RUNNING"
        first = message["resourcesConsumed"]["replicaHours"]
        assert eventually(lambda: here.store.get(name).message["resourcesConsumed"]["replicaHours"] > first)
        engine.say("batch-1-0-0-0", "batch: no server")
        engine.end("batch-1-0-0-0", 1)
        row = here.until(name, "JOB_STATE_FAILED")
    assert row.message["completionStats"]["successfulCount"] == "5"
    assert row.message["resourcesConsumed"]["replicaHours"] > 0


def test_a_batch_prediction_that_fails(here: World, engine: FakeEngine) -> None:
    """The driver's last words are in the error, and the server is stopped."""
    with here.running():
        name = here.job(batch(here.models.add("m")), collection="batchPredictionJobs")
        here.until(name, "JOB_STATE_RUNNING")
        engine.say("batch-1-0-0-0", "batch: gs://input/x names no object")
        engine.end("batch-1-0-0-0", 2)
        row = here.until(name, "JOB_STATE_FAILED")
        assert eventually(lambda: engine.containers == {})
    assert "names no object" in row.message["error"]["message"]
    assert "completionStats" not in row.message


def test_a_batch_prediction_without_its_model(here: World) -> None:
    """Deleted while the job waited: the job fails and says so."""
    with here.running():
        name = here.job(batch(f"{PARENT}/models/gone"), collection="batchPredictionJobs")
        row = here.until(name, "JOB_STATE_FAILED")
    assert "the model is gone" in row.message["error"]["message"]


def test_cancel_a_batch_prediction(here: World, engine: FakeEngine) -> None:
    """All its containers go."""
    with here.running():
        name = here.job(batch(here.models.add("m")), collection="batchPredictionJobs")
        here.until(name, "JOB_STATE_RUNNING")
        here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
        here.until(name, "JOB_STATE_CANCELLED")
        assert eventually(lambda: engine.containers == {})


def pipeline(**changes: Any) -> Json:
    """A queued training pipeline's message."""
    model = {"displayName": "m", "containerSpec": {"imageUri": "s"}}
    good = {
        "displayName": "p", "state": "PIPELINE_STATE_QUEUED", "trainingTaskInputs": INPUTS, "modelToUpload": model,
        "labels": {"team": "blue"},
    }  # fmt: skip
    return {**good, **changes}


def test_pipeline(here: World, engine: FakeEngine) -> None:
    """It follows its job, and uploads what the job made."""
    with here.running():
        name = here.job(pipeline(modelId="mine"), collection="trainingPipelines")
        row = here.until(name, "PIPELINE_STATE_RUNNING")
        backing = row.message["trainingTaskMetadata"]["backingCustomJob"]
        assert here.store.get(backing).message["labels"] == {"team": "blue"}
        assert "startTime" in row.message
        engine.end(next(iter(engine.containers)), 0)
        row = here.until(name, "PIPELINE_STATE_SUCCEEDED")
    assert row.message["modelToUpload"]["name"] == f"{PARENT}/models/mine"
    assert row.message["modelToUpload"]["versionId"] == "1"
    assert here.models.uploads[name]["artifactUri"] == "gs://out/run/model"


def test_a_pipeline_without_a_model(here: World, engine: FakeEngine) -> None:
    """Nothing is uploaded when nothing is wanted."""
    engine.autorun = lambda spec: 0
    with here.running():
        message = pipeline()
        del message["modelToUpload"]
        row = here.until(here.job(message, collection="trainingPipelines"), "PIPELINE_STATE_SUCCEEDED")
    assert here.models.uploads == {}
    assert "modelToUpload" not in row.message


def test_a_pipeline_whose_job_fails(here: World, engine: FakeEngine) -> None:
    """The job's error is the pipeline's."""
    engine.autorun = lambda spec: 3
    with here.running():
        row = here.until(here.job(pipeline(), collection="trainingPipelines"), "PIPELINE_STATE_FAILED")
    assert "exited with code 3" in row.message["error"]["message"]


@pytest.mark.parametrize("running", [True, False])
def test_cancel_a_pipeline(here: World, engine: FakeEngine, *, running: bool) -> None:
    """Its job is cancelled with it, if it has one yet."""
    state = "PIPELINE_STATE_QUEUED" if running else "PIPELINE_STATE_CANCELLING"
    name = here.job(pipeline(state=state), collection="trainingPipelines")
    with here.running():
        if running:
            here.until(name, "PIPELINE_STATE_RUNNING")
            here.store.update(name, lambda message, _: message.update(state="PIPELINE_STATE_CANCELLING"))
        row = here.until(name, "PIPELINE_STATE_CANCELLED")
        assert eventually(lambda: engine.containers == {})
    assert row.message["error"]["code"] == 1
    assert [each.state for each in here.store.list("customJobs")] == (["JOB_STATE_CANCELLED"] if running else [])


def test_a_pipeline_whose_job_is_deleted(here: World) -> None:
    """It does not wait for ever."""
    with here.running():
        name = here.job(pipeline(), collection="trainingPipelines")
        row = here.until(name, "PIPELINE_STATE_RUNNING")
        here.store.delete(row.message["trainingTaskMetadata"]["backingCustomJob"])
        row = here.until(name, "PIPELINE_STATE_FAILED")
    assert "was deleted" in row.message["error"]["message"]


def test_a_model_that_is_refused(here: World, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry's refusal fails the pipeline; a registry that is away is tried again."""
    engine.autorun = lambda spec: 0
    answers: list[Exception] = [Unavailable("MLflow sleeps"), AlreadyExists("model mine exists already")]

    def upload(*args: Any, **kwargs: Any) -> Json:
        raise answers.pop(0)

    monkeypatch.setattr(here.models, "upload", upload)
    with here.running():
        row = here.until(here.job(pipeline(), collection="trainingPipelines"), "PIPELINE_STATE_FAILED")
    assert "exists already" in row.message["error"]["message"]
    assert answers == []


def test_jobs_and_batch_predictions_share_one_queue(here: World) -> None:
    """What holds capacity is counted whatever it is."""
    with here.running():
        first = here.job(job(pool("n1-standard-8")))
        here.until(first, "JOB_STATE_RUNNING")
        second = here.job(batch(here.models.add("m")), collection="batchPredictionJobs")
        assert eventually(lambda: "0.5 CPU wanted, 0 of 2 free" in here.store.get(second).status.get("reason", ""))
