"""A new image of API, controllers and MLflow while everything is in use: no request and no job is lost."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import mlflow
import pytest
from google.cloud import aiplatform, storage

from tests.conformance import serving
from tests.conformance.asking import Asking
from tests.conformance.jobs import RUNNING, SUCCEEDED, python, submit, wait_for
from tests.support.inventory import pages
from tests.support.release import next_release, upgrade
from tests.support.stack import Stack

PATIENCE_S = 120.0  # of clients: what is replaced is away for as long as it takes to start


@pytest.fixture
def job(vertex: Any, bucket: storage.Bucket) -> aiplatform.CustomJob:
    """A job that counts until it is told to end."""
    code = (
        "import itertools, pathlib, time\n"
        f"end = pathlib.Path('/gcs/{bucket.name}/end')\n"
        "for i in itertools.count():\n"
        "    print('count', i)\n"
        "    time.sleep(0.2)\n"
        "    if end.exists(): break\n"
    )
    made = submit("works meanwhile", python(code))
    wait_for(made, RUNNING)
    return made


def test_an_upgrade_loses_no_request_and_no_job(
    stack: Stack,
    endpoint: aiplatform.Endpoint,
    job: aiplatform.CustomJob,
    bucket: storage.Bucket,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """API, controllers and MLflow get new images: no get, create, prediction or metric is lost; the job ends once."""
    release = next_release(tmp_path / "release")
    http = httpx.Client(headers=stack.headers, timeout=PATIENCE_S)

    def get(url: str) -> None:
        http.get(url).raise_for_status()

    def create(number: int) -> None:
        body = {"displayName": f"made meanwhile {number}"}
        http.post(f"{stack.vertex_url}/endpoints", json=body).raise_for_status()

    def predict(_: int) -> None:
        url = serving.predict_url(stack, endpoint)
        assert http.post(url, json=serving.BODY).raise_for_status().json()["modelVersionId"] == "1"

    mlflow.MlflowClient().set_registered_model_tag("constant", "asked", "meanwhile")
    run = mlflow.MlflowClient().create_run("0")
    with (
        Asking(lambda _: get(f"{stack.api_endpoint}/v1/{job.resource_name}")) as gets,
        Asking(lambda _: get(f"{stack.vertex_url}/models/constant")) as models,
        Asking(create) as creates,
        Asking(predict) as predictions,
        Asking(lambda n: mlflow.MlflowClient().log_metric(run.info.run_id, "step", n, step=n)) as metrics,
    ):
        changes = upgrade(stack, release)
        stack.wait_healthy(180)
        time.sleep(1)
    try:
        everyone = {"gets": gets, "models": models, "creates": creates, "predictions": predictions, "metrics": metrics}
        seen = {name: f"{each.good} in at most {each.slowest:.1f} s" for name, each in everyone.items()}
        record_property("upgrade", f"{changes} {seen}")
        assert {name: each.bad for name, each in everyone.items() if each.bad} == {}
        assert all(each.good for each in everyone.values())
        _check_created_once(http, stack, creates.good)
        assert len(mlflow.MlflowClient().get_metric_history(run.info.run_id, "step")) == metrics.good
        bucket.blob("end").upload_from_string("")
        assert wait_for(job, SUCCEEDED) == SUCCEEDED
        counted = [line for line in stack.logs(job.resource_name).splitlines() if line.startswith("count ")]
        assert counted == [f"count {number}" for number in range(len(counted))]
    finally:
        stack.changes("up")
        stack.wait_healthy(180)
        http.close()


def _check_created_once(http: httpx.Client, stack: Stack, count: int) -> None:
    """Everything acknowledged is there, nothing twice; then it goes."""
    listed = pages(http, f"{stack.vertex_url}/endpoints", "endpoints")
    made = [each for each in listed if each["displayName"].startswith("made meanwhile ")]
    assert sorted(int(each["displayName"].rsplit(" ", 1)[1]) for each in made) == list(range(count))
    for each in made:
        http.delete(f"{stack.api_endpoint}/v1/{each['name']}").raise_for_status()
