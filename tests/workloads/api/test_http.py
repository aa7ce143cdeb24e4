"""The HTTP surface: bad input of every kind is answered in Google's error model, and never by a 500."""

from typing import Any

import httpx
import pytest

from tests.workloads.api.conftest import IMAGE, MODEL, PARENT, job, token
from workloads.api import app, listing
from workloads.api.handlers import Context
from workloads.store import Resource, Store, Unavailable

JOBS = f"/v1/{PARENT}/customJobs"
MACHINE = {"machineType": "n1-standard-4"}
BATCH: dict[str, Any] = {
    "displayName": "b",
    "model": MODEL,
    "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["gs://bucket/in.jsonl"]}},
    "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": "gs://bucket/out"}},
    "dedicatedResources": {"machineSpec": {"machineType": "n1-standard-2"}, "startingReplicaCount": 1},
}
BQ = {"outputUri": "bq://project"}
PREBUILT = "us-docker.pkg.dev/vertex-ai/prediction"
TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"


def spec(**changes: Any) -> dict[str, Any]:
    """A good job whose jobSpec is changed."""
    good = job()
    return {**good, "jobSpec": {**good["jobSpec"], **changes}}


def pipeline(**changes: Any) -> dict[str, Any]:
    """A good training pipeline, inputs as the SDK writes them."""
    inputs = {
        "worker_pool_specs": [
            {
                "machine_spec": {"machine_type": "n1-standard-4"},
                "replica_count": 1.0,
                "container_spec": {"image_uri": IMAGE},
            }
        ],
        "base_output_directory": {"output_uri_prefix": "gs://bucket/out"},
    }
    return {"displayName": "p", "trainingTaskDefinition": TASK, "trainingTaskInputs": inputs, **changes}


def gpus(kind: str, count: int) -> dict[str, Any]:
    """A machine with GPUs."""
    return {**MACHINE, "acceleratorType": kind, "acceleratorCount": count}


def package(**fields: Any) -> dict[str, Any]:
    """A job that runs a Python package."""
    return job(containerSpec=None, pythonPackageSpec={"executorImageUri": IMAGE, **fields})


BAD_JOBS = [
    (job(machineSpec={"machineType": "n1-standrd-4"}), "INVALID_ARGUMENT", "n1-standard-4"),
    (job(machineSpec={"machineType": "n1-standard-32"}), "INVALID_ARGUMENT", "32 CPU wanted, 4 of 4"),
    (job(machineSpec=gpus("NVIDIA_A100_80GB", 1)), "INVALID_ARGUMENT", "NVIDIA_TESLA_T4"),
    (job(machineSpec=gpus("NVIDIA_TESLA_T4", 9)), "INVALID_ARGUMENT", "acceleratorCount"),
    (job(replicaCount="2"), "INVALID_ARGUMENT", "replicaCount"),
    (job(replicaCount="-1"), "INVALID_ARGUMENT", "replicaCount"),
    (job(replicaCount="9000000000000"), "INVALID_ARGUMENT", "replicaCount"),
    (job(containerSpec=None), "INVALID_ARGUMENT", "containerSpec"),
    (job(containerSpec={"command": ["x"]}), "INVALID_ARGUMENT", "imageUri"),
    (job(containerSpec={"imageUri": IMAGE.replace("sklearn", "tf")}), "INVALID_ARGUMENT", "training/sklearn-cpu"),
    (package(pythonModule="m"), "INVALID_ARGUMENT", "packageUris"),
    (package(pythonModule="m", packageUris=["http://x"]), "INVALID_ARGUMENT", "gs://bucket/path"),
    (job(nfsMounts=[{"server": "s", "path": "/p", "mountPoint": "m"}]), "UNIMPLEMENTED", "nfsMounts"),
    (spec(workerPoolSpecs=[]), "INVALID_ARGUMENT", "workerPoolSpecs"),
    (spec(workerPoolSpecs=job()["jobSpec"]["workerPoolSpecs"] * 5), "INVALID_ARGUMENT", "workerPoolSpecs"),
    (spec(scheduling={"timeout": "soon"}), "INVALID_ARGUMENT", "timeout"),
    (spec(scheduling={"timeout": "-5s"}), "INVALID_ARGUMENT", "timeout"),
    (spec(baseOutputDirectory={"outputUriPrefix": "http://x"}), "INVALID_ARGUMENT", "gs://"),
    (spec(baseOutputDirectory={"outputUriPrefix": "gs://bucket/../x"}), "INVALID_ARGUMENT", "gs://"),
    (spec(persistentResourceId="r"), "UNIMPLEMENTED", "persistentResourceId"),
    (spec(tensorboard="t"), "UNIMPLEMENTED", "tensorboard"),
    (spec(enableWebAccess=True), "UNIMPLEMENTED", "enableWebAccess"),
    ({**job(), "displayName": ""}, "INVALID_ARGUMENT", "displayName"),
    ({**job(), "displayName": "x" * 129}, "INVALID_ARGUMENT", "128"),
    ({**job(), "displayName": "\x00"}, "INVALID_ARGUMENT", "NUL"),
    ({**job(), "displayName": 7}, "INVALID_ARGUMENT", "displayName"),
    ({"displayName": "x"}, "INVALID_ARGUMENT", "jobSpec"),
    ({**job(), "displayNam": "x"}, "INVALID_ARGUMENT", "did you mean 'displayName'"),
    ({**job(), "labels": {"Upper Case": "x"}}, "INVALID_ARGUMENT", "label"),
    ({**job(), "labels": {"a": "B"}}, "INVALID_ARGUMENT", "label"),
    ({**job(), "labels": {f"k{i}": "v" for i in range(65)}}, "INVALID_ARGUMENT", "64"),
    ({**job(), "encryptionSpec": {"kmsKeyName": "k"}}, "UNIMPLEMENTED", "encryptionSpec"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "says"), BAD_JOBS)
def test_bad_jobs(client: httpx.Client, context: Context, body: Any, status: str, says: str) -> None:
    """A job that can't run here is refused before anything is stored, and the text tells what to do."""
    error = refused(client.post(JOBS, json=body), status)
    assert says in error["message"]
    assert context.store.list("customJobs") == []


def refused(response: httpx.Response, status: str) -> Any:
    """The error of an answer in Google's model."""
    error = response.json()["error"]
    assert error["status"] == status, error
    assert error["code"] == response.status_code != 500
    assert len(error["message"].split()) >= 5
    return error


@pytest.mark.parametrize(
    "body",
    [b"{not json", b"[1, 2]", b'"x"', b"\xff\xfe", b"[" * 100000, b'{"a": NaN}', b'{"labels": {}, "labels": {}}',
     b'{"displayName": "\\ud800"}', b"1" * 5000, b""],
)  # fmt: skip
def test_bad_bodies(client: httpx.Client, body: bytes) -> None:
    """What is not one JSON object is INVALID_ARGUMENT."""
    refused(client.post(JOBS, content=body), "INVALID_ARGUMENT")


def test_huge_body(client: httpx.Client) -> None:
    """A body beyond the limit is refused with the limit in the text."""
    error = refused(client.post(JOBS, content=b" " * (app.MAX_BODY_BYTES + 1)), "INVALID_ARGUMENT")
    assert str(app.MAX_BODY_BYTES) in error["message"]


@pytest.mark.parametrize(
    ("verb", "path", "status", "says"),
    [
        ("GET", "/v1/projects/other/locations/us-central1/customJobs", "NOT_FOUND", "test-project"),
        ("GET", "/v1/projects/-/locations/us-central1/customJobs", "NOT_FOUND", "test-project"),
        ("GET", "/v1/projects/test-project/locations/mars/customJobs", "NOT_FOUND", "us-central1"),
        ("GET", f"{JOBS}/404404", "NOT_FOUND", "404404"),
        ("DELETE", f"{JOBS}/404404", "NOT_FOUND", "404404"),
        ("POST", f"{JOBS}/404404:cancel", "NOT_FOUND", "404404"),
        ("GET", f"{JOBS}/a%00b", "INVALID_ARGUMENT", "resource name"),
        ("GET", f"{JOBS}/a%2Fb", "INVALID_ARGUMENT", "resource name"),
        ("GET", f"{JOBS}/{'x' * 300}", "INVALID_ARGUMENT", "resource name"),
        ("GET", f"{JOBS}/%ff%fe", "NOT_FOUND", "does not exist"),
        ("PUT", JOBS, "NOT_FOUND", "GET, POST"),
        ("GET", "/", "NOT_FOUND", "no path"),
        ("GET", "/v1/nothing/here", "NOT_FOUND", "no path"),
        ("POST", f"/v1/{PARENT}/tensorboards", "UNIMPLEMENTED", "docs/COVERAGE.md"),
        ("POST", f"/v1/{PARENT}/models/m:export", "UNIMPLEMENTED", "artifactUri"),
        ("POST", f"/v1beta1/{PARENT}/publishers/google/models/m:generateContent", "UNIMPLEMENTED", "GenerateContent"),
        ("GET", f"{JOBS}?filter=display_name%3D%3D%3D", "INVALID_ARGUMENT", "filter"),
        ("GET", f"{JOBS}?pageToken=zzz", "INVALID_ARGUMENT", "page"),
        ("GET", f"{JOBS}?pageSize=-1", "INVALID_ARGUMENT", "pageSize"),
        ("GET", f"{JOBS}?pageSize=many", "INVALID_ARGUMENT", "pageSize"),
        ("GET", f"/v1/{PARENT}/endpoints?orderBy=nothing", "INVALID_ARGUMENT", "no field 'nothing'"),
        ("GET", f"{JOBS}?orderBy=create_time", "INVALID_ARGUMENT", "Unknown query parameter"),
        ("GET", f"{JOBS}?readMask=nothing", "INVALID_ARGUMENT", "readMask"),
        ("GET", f"{JOBS}?fliter=x", "INVALID_ARGUMENT", "did you mean 'filter'"),
        ("GET", f"{JOBS}?readMask=name&readMask.paths=name", "INVALID_ARGUMENT", "readMask"),
        ("GET", f"{JOBS}?filter.x=name", "INVALID_ARGUMENT", "has no fields"),
        ("POST", f"{JOBS}/1:cancel?name=x", "INVALID_ARGUMENT", "body"),
        ("POST", f"{JOBS}?customJob.displayName=x", "INVALID_ARGUMENT", "body"),
        ("POST", f"/v1/{PARENT}/endpoints/1:mutateDeployedModel", "INVALID_ARGUMENT", "deployedModel"),
        ("GET", f"/v1/{PARENT}/operations/1", "NOT_FOUND", "operations/1"),
        ("GET", "/cairn/v1/logs/nothing", "NOT_FOUND", "nothing"),
        ("GET", "/cairn/v1/logs/nothing?since=x", "INVALID_ARGUMENT", "since"),
        ("POST", "/cairn/v1/status", "NOT_FOUND", ""),
    ],
)
def test_bad_requests(client: httpx.Client, verb: str, path: str, status: str, says: str) -> None:
    """Wrong names, paths, verbs and queries each have their error and a text that helps."""
    assert says in refused(client.request(verb, path), status)["message"]


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"model": ""}, "INVALID_ARGUMENT", "model"),
        ({"model": f"{PARENT}/models/none"}, "NOT_FOUND", "none"),
        ({"inputConfig": {}}, "INVALID_ARGUMENT", "inputConfig.instancesFormat"),
        ({"inputConfig": {"instancesFormat": "tf-record"}}, "UNIMPLEMENTED", "jsonl"),
        ({"inputConfig": {"instancesFormat": "jsonl"}}, "INVALID_ARGUMENT", "gcsSource"),
        ({"inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": ["x"]}}}, "INVALID_ARGUMENT", "gs://"),
        ({"inputConfig": {"instancesFormat": "csv", "bigquerySource": {"inputUri": "bq://x"}}}, "UNIMPLEMENTED", "gcs"),
        ({"outputConfig": {"predictionsFormat": "jsonl", "bigqueryDestination": BQ}}, "UNIMPLEMENTED", "gcsDest"),
        ({"outputConfig": {"predictionsFormat": "avro"}}, "UNIMPLEMENTED", "jsonl"),
        ({"instanceConfig": {"instanceType": "row"}}, "INVALID_ARGUMENT", "'object' or 'array'"),
        ({"instanceConfig": {"includedFields": ["a"], "excludedFields": ["b"]}}, "INVALID_ARGUMENT", "one of them"),
        ({"instanceConfig": {"instanceType": "array", "keyField": "k"}}, "INVALID_ARGUMENT", "order"),
        ({"inputConfig": {**BATCH["inputConfig"], "instancesFormat": "file-list"}, "instanceConfig": {"keyField": "k"}},
         "INVALID_ARGUMENT", "file-list"),
        ({"inputConfig": {**BATCH["inputConfig"], "instancesFormat": "csv"},
          "instanceConfig": {"instanceType": "array"}}, "INVALID_ARGUMENT", "does not apply to csv"),
        ({"dedicatedResources": {**BATCH["dedicatedResources"], "startingReplicaCount": 2, "maxReplicaCount": 1}},
         "INVALID_ARGUMENT", "more than maxReplicaCount"),
        ({"dedicatedResources": {"startingReplicaCount": -1}}, "INVALID_ARGUMENT", "Required field"),
        ({"dedicatedResources": {**BATCH["dedicatedResources"], "startingReplicaCount": 9}}, "INVALID_ARGUMENT", "CPU"),
        ({"generateExplanation": True}, "UNIMPLEMENTED", "generateExplanation"),
        ({"dedicatedResources": {"machineSpec": {"machineType": "n1-standard-32"}}}, "INVALID_ARGUMENT", "32 CPU"),
        ({"dedicatedResources": {"machineSpec": {"machineType": "n1"}}}, "INVALID_ARGUMENT", "n1-standard-2"),
    ],
)  # fmt: skip
def test_bad_batch_jobs(client: httpx.Client, change: dict[str, Any], status: str, says: str) -> None:
    """A batch prediction that can't run here is refused with the field."""
    assert (
        says in refused(client.post(f"/v1/{PARENT}/batchPredictionJobs", json={**BATCH, **change}), status)["message"]
    )


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"trainingTaskDefinition": "gs://google-cloud-aiplatform/schema/trainingjob/definition/automl_tabular_1.0.0.yaml"},
         "UNIMPLEMENTED", "custom_task_1.0.0.yaml"),
        ({"trainingTaskInputs": {}}, "INVALID_ARGUMENT", "trainingTaskInputs"),
        ({"trainingTaskInputs": [1]}, "INVALID_ARGUMENT", "trainingTaskInputs"),
        ({"trainingTaskInputs": {"worker_pool_spec": []}}, "INVALID_ARGUMENT", "did you mean 'workerPoolSpecs'"),
        ({"inputDataConfig": {"datasetId": "1"}}, "UNIMPLEMENTED", "inputDataConfig"),
        ({"modelToUpload": {"displayName": "m", "containerSpec": {"imageUri": f"{PREBUILT}/x-cpu.1:1"}}},
         "INVALID_ARGUMENT", "prediction/sklearn-cpu"),
    ],
)  # fmt: skip
def test_bad_pipelines(client: httpx.Client, change: dict[str, Any], status: str, says: str) -> None:
    """Only custom tasks are accepted, and their inputs are checked as a job's."""
    assert says in refused(client.post(f"/v1/{PARENT}/trainingPipelines", json=pipeline(**change)), status)["message"]


def test_good_ones_are_stored(client: httpx.Client, context: Context) -> None:
    """Every resource that passes its checks is a row in its first state, and comes back in both versions."""
    for collection, body, state in (
        ("customJobs", job(), "JOB_STATE_QUEUED"),
        ("batchPredictionJobs", BATCH, "JOB_STATE_QUEUED"),
        ("trainingPipelines", pipeline(), "PIPELINE_STATE_QUEUED"),
    ):
        made = client.post(f"/v1/{PARENT}/{collection}", json=body).raise_for_status().json()
        assert context.store.get(made["name"]).state == made["state"] == state
        read = client.get(f"/v1beta1/{made['name']}").raise_for_status().json()
        assert read == made
        assert client.get(f"/v1/{PARENT}/{collection}").json() == {collection: [made]}
        assert isinstance(client.get(f"/v1/{made['name']}?$alt=json;enum-encoding=int").json()["state"], int)


def test_paging_and_masks(client: httpx.Client, context: Context) -> None:
    """Pages cover the list once, newest first, also when filtered; a mask leaves only what it names."""
    for number in range(7):
        context.store.create(f"{PARENT}/customJobs/{number}", {"displayName": f"j{number % 2}"})
    for query in ("", "&filter=display_name:j"):
        found, mark = [], ""
        while True:
            page = client.get(f"{JOBS}?pageSize=3&pageToken={mark}{query}&readMask=name").raise_for_status().json()
            found += page["customJobs"]
            if not (mark := page.get("nextPageToken", "")):
                break
        assert [each["name"].rsplit("/", 1)[1] for each in found] == list("6543210")
        assert all(set(each) == {"name"} for each in found)
    refused(client.get(f"{JOBS}?pageToken={mark or 'x'}&filter=display_name:x"), "INVALID_ARGUMENT")


def test_a_page_reads_what_it_shows(client: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more rows than a page shows and one that tells of the next are read, until a filter leaves too few of them."""
    for number in range(7):
        context.store.create(f"{PARENT}/customJobs/{number}", {"displayName": f"j{number % 2}"})
    read, read_rows = list[int](), Store.list

    def listed(store: Store, *values: Any, **names: Any) -> list[Resource]:
        read.append(names["limit"])
        return read_rows(store, *values, **names)

    monkeypatch.setattr(Store, "list", listed)
    half = "pageSize=2&filter=display_name=j1"
    for query, limits, shown in (("pageSize=3", [4], "654"), (half, [3, listing.BATCH], "53")):
        page = client.get(f"{JOBS}?{query}").raise_for_status().json()
        assert "".join(each["name"].rsplit("/", 1)[1] for each in page["customJobs"]) == shown
        assert page["nextPageToken"]
        assert read == limits
        read.clear()


def test_a_failure_of_ours(client: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw is INTERNAL with an incident id, and tells nothing of the inside."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(type(context.store), "get", fail)
    error = client.get(f"{JOBS}/1").json()["error"]
    assert (error["code"], error["status"]) == (500, "INTERNAL")
    assert "incident" in error["message"]
    assert "secret" not in error["message"]


def test_database_away(client: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away, answers are UNAVAILABLE, and so is the health."""

    def away(*_: object) -> None:
        raise Unavailable("the database does not answer: connection to 10.0.0.1 refused")

    monkeypatch.setattr(type(context.store), "get", away)
    monkeypatch.setattr(type(context.store), "ping", away)
    assert "10.0.0.1" not in client.get(f"{JOBS}/1").text
    assert client.get(f"{JOBS}/1").json()["error"]["status"] == "UNAVAILABLE"
    assert client.get("/healthz").status_code == 503


def test_tokens(client: httpx.Client) -> None:
    """Without a good token: UNAUTHENTICATED; a workload reads models and endpoints and manages nothing."""
    for header in ("", "Bearer", "Bearer x.y.z", f"Basic {token()}", f"Bearer {token()}x"):
        error = refused(client.get(JOBS, headers={"Authorization": header}), "UNAUTHENTICATED")
        assert "token" in error["message"]
    own = f"{PARENT}/customJobs/1"
    workload = {"Authorization": f"Bearer {token('workload', own)}"}
    assert client.get(f"/v1/{PARENT}/endpoints", headers=workload).status_code == 200
    refused(client.get(f"/v1/{own}", headers=workload), "NOT_FOUND")
    for verb, path, body in (
        ("GET", JOBS, None),
        ("GET", f"{JOBS}/2", None),
        ("POST", JOBS, job()),
        ("POST", f"/v1/{PARENT}/endpoints", {"displayName": "e"}),
        ("GET", "/cairn/v1/usage", None),
        ("GET", f"/cairn/v1/logs/{PARENT}/customJobs/2", None),
    ):
        refused(client.request(verb, path, json=body, headers=workload), "PERMISSION_DENIED")


def test_roles_of_people(client: httpx.Client) -> None:
    """A viewer reads all and changes nothing, a developer does both; a made-up role may nothing."""
    viewer, developer, nobody = (
        {"Authorization": f"Bearer {token(role, role)}"} for role in ("viewer", "developer", "x")
    )
    made = client.post(JOBS, json=job(), headers=developer).raise_for_status().json()["name"]
    for path in (JOBS, f"/v1/{made}", "/cairn/v1/usage", f"/cairn/v1/logs/{made}"):
        assert client.get(path, headers=viewer).status_code == 200
        assert client.get(path, headers=developer).status_code == 200
        refused(client.get(path, headers=nobody), "PERMISSION_DENIED")
    predict = f"/v1/{PARENT}/endpoints/1:predict"
    for verb, path, body in (
        ("POST", JOBS, job()),
        ("POST", f"/v1/{made}:cancel", {}),
        ("DELETE", f"/v1/{made}", None),
        ("POST", f"/v1/{PARENT}/endpoints", {"displayName": "e"}),
        ("POST", predict, {"instances": [1]}),
    ):
        assert (
            "a viewer only reads"
            in refused(client.request(verb, path, json=body, headers=viewer), "PERMISSION_DENIED")["message"]
        )
        refused(client.request(verb, path, json=body, headers=nobody), "PERMISSION_DENIED")
    refused(client.post(predict, json={"instances": [1]}, headers=developer), "NOT_FOUND")
    assert client.post(f"/v1/{made}:cancel", json={}, headers=developer).status_code == 200


def test_token_exchange(client: httpx.Client) -> None:
    """RFC 8693: a valid subject token comes back with its lifetime; another one is refused in OAuth's own form."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token()}
    answer = client.post("/cairn/v1/token", data=form, headers={"Authorization": ""}).raise_for_status().json()
    assert (answer["access_token"], answer["token_type"], answer["expires_in"]) == (token(), "Bearer", 3600)
    for bad in ({}, {"subject_token": "x"}, {**form, "grant_type": "password"}):
        response = client.post("/cairn/v1/token", data=bad)
        assert response.status_code == 400
        assert response.json()["error"] in ("invalid_request", "invalid_grant")
