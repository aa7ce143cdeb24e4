"""Google's surface as data: the methods table and the messages."""

import pytest

from workloads.api.errors import ApiError
from workloads.api.vertex import DESCRIPTORS, generate, messages, methods

PARENT = "projects/p/locations/l"
CREATE = "google.cloud.aiplatform.v1.CreateCustomJobRequest"


def test_descriptors_are_those_of_the_installed_package() -> None:
    """The committed descriptors are what the generator makes of the locked google-cloud-aiplatform."""
    assert generate.build() == DESCRIPTORS.read_bytes(), "run python -m workloads.api.vertex.generate"


def test_table_holds_every_service() -> None:
    """Both versions are there with all of their services, and each method has types and a path."""
    table = methods.table()
    services = {(method.version, method.service) for method, _ in table}
    for version in ("v1", "v1beta1"):
        for service in ("JobService", "PredictionService", "TensorboardService", "MetadataService", "Operations"):
            assert (version, service) in services
    assert ("v1beta1", "ModelMonitoringService") in services
    assert len(table) > 700
    assert all(bindings for _, bindings in table)


@pytest.mark.parametrize(
    ("verb", "path", "key", "fields"),
    [
        ("POST", f"/v1/{PARENT}/customJobs", "JobService.CreateCustomJob", {"parent": PARENT}),
        ("GET", f"/v1beta1/{PARENT}/customJobs/1", "JobService.GetCustomJob", {"name": f"{PARENT}/customJobs/1"}),
        ("POST", f"/v1/{PARENT}/customJobs/1:cancel", "JobService.CancelCustomJob", {"name": f"{PARENT}/customJobs/1"}),
        ("POST", f"/v1/{PARENT}/customJobs/1%3Acancel", "JobService.CancelCustomJob",
         {"name": f"{PARENT}/customJobs/1"}),
        ("GET", f"/v1/{PARENT}/models/m%40v1", "ModelService.GetModel", {"name": f"{PARENT}/models/m@v1"}),
        ("GET", f"/ui/{PARENT}/operations/3", "Operations.GetOperation", {"name": f"{PARENT}/operations/3"}),
        ("PATCH", f"/v1/{PARENT}/endpoints/1", "EndpointService.UpdateEndpoint",
         {"endpoint.name": f"{PARENT}/endpoints/1"}),
        ("POST", f"/v1beta1/{PARENT}/publishers/google/models/m:generateContent", "PredictionService.GenerateContent",
         {"model": f"{PARENT}/publishers/google/models/m"}),
    ],
)  # fmt: skip
def test_match(verb: str, path: str, key: str, fields: dict[str, str]) -> None:
    """A verb and a path mean one method, custom verbs and percent-encoding included."""
    found = methods.match(verb, path)
    assert (found.method.key, found.path_fields) == (key, fields)


@pytest.mark.parametrize(
    ("verb", "path", "says"),
    [
        ("PUT", f"/v1/{PARENT}/customJobs", "GET, POST"),
        ("GET", "/v1/nothing", "no path of Vertex AI"),
        ("POST", f"/v1/{PARENT}/customJobs/1:explode", "no path"),
        ("GET", "", "no path"),
    ],
)
def test_no_match(verb: str, path: str, says: str) -> None:
    """A wrong verb or path is NOT_FOUND, and the text tells the verbs that there are."""
    with pytest.raises(ApiError, match=says) as caught:
        methods.match(verb, path)
    assert caught.value.status == "NOT_FOUND"


def test_strip_drops_what_only_the_platform_sets() -> None:
    """Output-only fields that a client echoes are ignored; all others stay."""
    given = {"customJob": {"name": "x", "state": "JOB_STATE_FAILED", "display_name": "d", "jobSpec": {}}}
    kept = messages.strip(messages.descriptor(CREATE), given, "request")
    assert kept == {"customJob": {"display_name": "d", "jobSpec": {}}}


@pytest.mark.parametrize(
    ("job", "says"),
    [
        ({"displayNam": "x"}, "'displayNam' in request.customJob; did you mean 'displayName'"),
        ({"displayName": 7}, "customJob.displayName is wrong"),
        ({"displayName": None, "jobSpec": [1]}, "customJob.jobSpec must be a JSON object"),
        ({"jobSpec": {"workerPoolSpecs": {}}}, "workerPoolSpecs must be a list"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicaCount": "x"}]}}, "replicaCount is wrong"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicaCount": 1e400}]}}, "replicaCount"),
        ({"jobSpec": {"workerPoolSpecs": [{"replicaCount": 2**70}]}}, "replicaCount is wrong"),
        ({"jobSpec": {"scheduling": {"timeout": "soon"}}}, "jobSpec.scheduling.timeout is wrong"),
        ({"jobSpec": {"scheduling": {"strategy": "NEVER"}}}, "jobSpec.scheduling.strategy is wrong"),
        ({"labels": {"a": 1}}, "customJob.labels is wrong"),
        ({"labels": "a"}, "customJob.labels"),
    ],
)
def test_wrong_messages_name_the_field(job: dict[str, object], says: str) -> None:
    """Whatever does not fit the type is INVALID_ARGUMENT with the path of the field."""
    about = messages.descriptor(CREATE)
    with pytest.raises(ApiError, match=says.replace("[", r"\[")) as caught:
        messages.canonical(CREATE, messages.strip(about, {"customJob": job}, "request"))
    assert caught.value.status == "INVALID_ARGUMENT"


def test_missing_required_fields() -> None:
    """The first required field that is not set is named, within lists too."""
    about = messages.descriptor(CREATE)
    request = {"parent": PARENT, "customJob": {"displayName": "d", "jobSpec": {"workerPoolSpecs": [{}]}}}
    assert messages.missing(about, request, "") is None
    assert messages.missing(about, {"parent": PARENT, "customJob": {"jobSpec": {}}}, "") == "customJob.displayName"
    package = {"workerPoolSpecs": [{"pythonPackageSpec": {"executorImageUri": "i", "packageUris": ["gs://b/p"]}}]}
    request["customJob"] = {"displayName": "d", "jobSpec": package}
    assert messages.missing(about, request, "") == "customJob.jobSpec.workerPoolSpecs.pythonPackageSpec.pythonModule"


def test_render_in_either_version_and_enum_style() -> None:
    """One stored message is served with enum names or numbers, and without what a version does not know."""
    job = {"displayName": "d", "state": "JOB_STATE_RUNNING", "etag": "1"}
    assert messages.render("google.cloud.aiplatform.v1.CustomJob", job) == {
        "displayName": "d", "state": "JOB_STATE_RUNNING",
    }  # fmt: skip
    assert messages.render("google.cloud.aiplatform.v1beta1.CustomJob", job, enums_as_ints=True)["state"] == 3
    packed = messages.any_of("Endpoint", {"displayName": "e"}, "v1")
    assert messages.retype(packed, "v1beta1")["@type"].endswith("google.cloud.aiplatform.v1beta1.Endpoint")
    assert messages.any_of("google.protobuf.Empty", {}, "v1beta1") == {
        "@type": "type.googleapis.com/google.protobuf.Empty"
    }
