"""Training pipelines → custom job and model."""

import pytest

from workloads.plans import pipelines
from workloads.plans.errors import InvalidWish

INPUTS = {
    "worker_pool_specs": [
        {
            "machine_spec": {"machine_type": "n1-standard-4", "accelerator_count": None},
            "replica_count": 1.0,
            "python_package_spec": {"executor_image_uri": "i", "env": [{"name": "my_name", "value": "snake_value"}]},
        }
    ],
    "base_output_directory": {"output_uri_prefix": "gs://out/run/"},
    "scheduling": {"timeout": "10s", "disable_retries": False, "strategy": None},
}
PIPELINE = {
    "displayName": "train",
    "labels": {"team": "blue"},
    "trainingTaskInputs": INPUTS,
    "modelToUpload": {"displayName": "m"},
}


def test_custom_job() -> None:
    """What the SDK writes into a Struct becomes a proper jobSpec: names, whole numbers, no nulls; values stay."""
    assert pipelines.custom_job(PIPELINE) == {
        "displayName": "train-custom-job",
        "labels": {"team": "blue"},
        "state": "JOB_STATE_QUEUED",
        "jobSpec": {
            "workerPoolSpecs": [
                {
                    "machineSpec": {"machineType": "n1-standard-4"},
                    "replicaCount": 1,
                    "pythonPackageSpec": {
                        "executorImageUri": "i",
                        "env": [{"name": "my_name", "value": "snake_value"}],
                    },
                }
            ],
            "baseOutputDirectory": {"outputUriPrefix": "gs://out/run/"},
            "scheduling": {"timeout": "10s", "disableRetries": False},
        },
    }


def test_model_to_upload() -> None:
    """From the job's model/ folder."""
    job = pipelines.custom_job(PIPELINE)
    assert pipelines.model_to_upload(PIPELINE, job) == {"displayName": "m", "artifactUri": "gs://out/run/model"}


def test_no_inputs() -> None:
    """Refused by name."""
    with pytest.raises(InvalidWish, match="trainingTaskInputs"):
        pipelines.custom_job({"displayName": "x"})


def test_numbers_among_arguments() -> None:
    """The SDK takes args=["--epochs", 3, 0.5] and sends numbers; a process gets text."""
    inputs = {"worker_pool_specs": [{"container_spec": {"image_uri": "i", "args": ["--epochs", 3.0, 0.5]}}]}
    spec = pipelines.job_spec(inputs)
    assert spec["workerPoolSpecs"][0]["containerSpec"]["args"] == ["--epochs", "3", "0.5"]
    assert pipelines.job_spec({"worker_pool_specs": "nonsense"}) == {"workerPoolSpecs": "nonsense"}
