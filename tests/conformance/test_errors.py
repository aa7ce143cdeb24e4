"""Bad input, by raw HTTP and Google's SDK: always Google's error model, always a text that helps, never a 500."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from google.api_core import exceptions
from google.cloud import aiplatform

from tests.support.stack import Stack

MACHINE = {"machineType": "n1-standard-4"}
IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"


def pool(**changes: Any) -> dict[str, Any]:
    """A good worker pool with some fields changed; None removes one."""
    good: dict[str, Any] = {
        "machineSpec": MACHINE,
        "replicaCount": "1",
        "containerSpec": {"imageUri": IMAGE, "command": ["true"]},
    }
    return {key: value for key, value in {**good, **changes}.items() if value is not None}


def job(*pools: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A CustomJob message of these pools."""
    return {"displayName": "bad", "jobSpec": {"workerPoolSpecs": list(pools) or [pool()], **spec}}


@dataclass(frozen=True)
class Bad:
    """A request and what its answer must say."""

    name: str
    path: str
    body: Any
    code: int
    status: str
    says: tuple[str, ...]
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)


JOBS = "customJobs"
BAD = [
    Bad(
        "unknown machine type",
        JOBS,
        job(pool(machineSpec={"machineType": "n1-standrd-4"})),
        400,
        "INVALID_ARGUMENT",
        ("n1-standrd-4", "n1-standard-4"),
    ),
    Bad("no worker pool", JOBS, {"displayName": "bad", "jobSpec": {}}, 400, "INVALID_ARGUMENT", ("workerPoolSpecs",)),
    Bad("two primaries", JOBS, job(pool(replicaCount="2")), 400, "INVALID_ARGUMENT", ("replicaCount",)),
    Bad("no container", JOBS, job(pool(containerSpec=None)), 400, "INVALID_ARGUMENT", ("containerSpec",)),
    Bad("negative replicas", JOBS, job(pool(replicaCount="-1")), 400, "INVALID_ARGUMENT", ("replicaCount",)),
    Bad(
        "a prebuilt image that is not here",
        JOBS,
        job(pool(containerSpec={"imageUri": "us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-14:latest"})),
        400,
        "INVALID_ARGUMENT",
        ("tf-gpu", "sklearn-cpu"),
    ),
    Bad(
        "a GPU the stack has not",
        JOBS,
        job(pool(machineSpec={**MACHINE, "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 1})),
        400,
        "INVALID_ARGUMENT",
        ("NVIDIA_TESLA_T4",),
    ),
    Bad("a bad timeout", JOBS, job(scheduling={"timeout": "soon"}), 400, "INVALID_ARGUMENT", ("timeout",)),
    Bad(
        "a bad output directory",
        JOBS,
        job(baseOutputDirectory={"outputUriPrefix": "http://x"}),
        400,
        "INVALID_ARGUMENT",
        ("gs://",),
    ),
    Bad("an unknown field", JOBS, {**job(), "displayNam": "x"}, 400, "INVALID_ARGUMENT", ("displayNam",)),
    Bad("a number for a text", JOBS, {**job(), "displayName": 7}, 400, "INVALID_ARGUMENT", ("displayName",)),
    Bad("no display name", JOBS, {"jobSpec": job()["jobSpec"]}, 400, "INVALID_ARGUMENT", ("displayName",)),
    Bad("not JSON", JOBS, b"{not json", 400, "INVALID_ARGUMENT", ("JSON",)),
    Bad("a list for a message", JOBS, [1, 2], 400, "INVALID_ARGUMENT", ()),
    Bad("no token", JOBS, job(), 401, "UNAUTHENTICATED", ("token",), headers={"Authorization": ""}),
    Bad("a wrong token", JOBS, job(), 401, "UNAUTHENTICATED", ("token",), headers={"Authorization": "Bearer x.y.z"}),
    Bad("a bad label", JOBS, {**job(), "labels": {"Upper Case": "x"}}, 400, "INVALID_ARGUMENT", ("label",)),
    Bad("a resource that is not there", f"{JOBS}/404404", None, 404, "NOT_FOUND", ("404404",), method="GET"),
    Bad("a bad filter", f"{JOBS}?filter=display_name%3D%3D%3D", None, 400, "INVALID_ARGUMENT", ("filter",), "GET"),
    Bad("a bad page token", f"{JOBS}?pageToken=zzz", None, 400, "INVALID_ARGUMENT", ("page",), "GET"),
    Bad("a method that is not served", "tensorboards", {"displayName": "x"}, 501, "UNIMPLEMENTED", ("COVERAGE",)),
    Bad("no such path", "no-such-things", {}, 404, "NOT_FOUND", ()),
    Bad(
        "a model without container",
        "models:upload",
        {"model": {"displayName": "x"}},
        400,
        "INVALID_ARGUMENT",
        ("containerSpec",),
    ),
    Bad(
        "deploy of a model that is not there",
        "endpoints/1:deployModel",
        {"deployedModel": {"model": "none", "dedicatedResources": {"machineSpec": MACHINE, "minReplicaCount": 1}}},
        404,
        "NOT_FOUND",
        (),
    ),
    Bad("predict without an endpoint", "endpoints/1:predict", {"instances": [[1]]}, 404, "NOT_FOUND", ("1",)),
    Bad(
        "a batch job without a model",
        "batchPredictionJobs",
        {
            "displayName": "x",
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://bucket/x"]}},
            "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://bucket/o"}},
        },
        400,
        "INVALID_ARGUMENT",
        ("model",),
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_raw_http(stack: Stack, bad: Bad) -> None:
    """Each kind of bad request is refused in Google's error model with its code, its status and a text that helps."""
    content = {"content": bad.body} if isinstance(bad.body, bytes) else {} if bad.body is None else {"json": bad.body}
    response = httpx.request(
        bad.method, f"{stack.vertex_url}/{bad.path}", headers={**stack.headers, **bad.headers}, timeout=30, **content
    )
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["status"]) == (bad.code, bad.code, bad.status), error
    for word in bad.says:
        assert word in error["message"]
    assert len(error["message"].split()) >= 5, "the text says what to do"


def test_another_project(stack: Stack) -> None:
    """A project that is not the stack's is named as such, with the one that is."""
    url = f"{stack.api_endpoint}/v1/projects/other/locations/{stack.location}/customJobs"
    response = httpx.get(url, headers=stack.headers, timeout=30)
    assert response.status_code in (403, 404)
    assert stack.project in response.json()["error"]["message"]


def test_sdk_unknown_machine_type(stack: Stack, vertex: Any) -> None:
    """The SDK raises BadRequest (REST knows no finer one) with the nearest machine type, and no job is left behind."""
    before = len(aiplatform.CustomJob.list())
    bad = aiplatform.CustomJob(
        display_name="bad",
        worker_pool_specs=[
            {
                "machine_spec": {"machine_type": "n1-standart-4"},
                "replica_count": 1,
                "container_spec": {"image_uri": IMAGE, "command": ["true"]},
            }
        ],
    )
    with pytest.raises(exceptions.BadRequest, match="n1-standard-4"):
        bad.submit()
    assert len(aiplatform.CustomJob.list()) == before


def test_sdk_model_not_found(stack: Stack, vertex: Any) -> None:
    """The SDK raises NotFound for a model that does not exist."""
    with pytest.raises(exceptions.NotFound):
        aiplatform.Model("no-such-model")


def test_sdk_bad_traffic_split(stack: Stack, vertex: Any) -> None:
    """A traffic split that names no deployed model is refused, and the endpoint stays as it was."""
    endpoint = aiplatform.Endpoint.create(display_name="bad-split")
    try:
        with pytest.raises(exceptions.GoogleAPICallError) as caught:
            endpoint.update(traffic_split={"123": 60})
        assert caught.value.code != 500
    finally:
        endpoint.delete()
