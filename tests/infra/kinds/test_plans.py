"""Each kind's plan: what a wish becomes, without engine, mocks or network."""

import json
from dataclasses import replace

import pytest

from infra.backends.base import ServiceSpec
from infra.kinds import api, database, endpoint, gateway, job_runner, object_store, tracking
from infra.kinds.links import DatabaseLink, ObjectStoreLink
from workloads import contract
from workloads.config import Capacity, MachineType, PlatformConfig
from workloads.plans import request_logs
from workloads.plans.errors import InvalidWish
from workloads.plans.rollouts import Rollout

DATABASE = DatabaseLink("database", "cairn", "db-password")
STORE = ObjectStoreLink("http://object-store:9000", "access", "secret")
CONFIG = PlatformConfig(
    stack="test",
    project="p",
    location="l",
    staging_bucket="staging",
    machine_types={"n1-standard-2": MachineType(1, 2048, 0.1)},
    images={"prediction/sklearn-cpu": "prediction/sklearn-cpu"},
    networks={"workloads": "cairn-test-workloads"},
    capacity=Capacity(2, 4096),
    object_store_volume="cairn-test-object-store",
)
PLANS: dict[str, ServiceSpec] = {
    "object_store": object_store.plan(
        "s3", object_store.ObjectStoreArgs(("a", "b"), 9000), "image", "access", "secret"
    ),
    "database": database.plan("db", database.DatabaseArgs(), "image", {"cairn": "one", "mlflow": "two"}),
    "tracking": tracking.plan(
        "mlflow", tracking.TrackingArgs("test", DATABASE, STORE, "s3://b/x", "key", 5000), "image", ("127.0.0.1",)
    ),
    "api": api.plan("api", api.ApiArgs("{}", DATABASE, STORE, "key", "other key"), "image"),
    "job_runner": job_runner.plan("jobs", job_runner.JobRunnerArgs("{}", DATABASE, STORE, "key", "other key"), "image"),
    "gateway": gateway.plan("door", gateway.GatewayArgs("test", "key", 8080), "image"),
}


@pytest.mark.parametrize("kind", PLANS)
def test_every_service(kind: str) -> None:
    """Every service has its name, its kind, a health check on a port of its own, limits, and is no root."""
    spec = PLANS[kind]
    assert spec.kind == kind
    assert spec.probe is not None
    assert spec.probe.port in {port.port for port in spec.ports}
    assert spec.resources.cpu > 0
    assert spec.resources.memory_mib > 0
    assert spec.user == contract.RUN_AS
    assert spec.read_only_root


@pytest.mark.parametrize("kind", PLANS)
def test_no_secret_in_the_environment(kind: str) -> None:
    """What is secret is only in the secret files."""
    spec = PLANS[kind]
    assert spec.secrets
    assert not set(spec.secrets.values()) & set(spec.env.values())


def test_only_the_job_runner_reaches_the_engine() -> None:
    """Engine access is the job runner's alone; jobs don't reach it, and model servers, which it probes, one port."""
    assert [kind for kind, spec in PLANS.items() if spec.engine_access] == ["job_runner"]
    assert contract.NETWORK_WORKLOADS not in PLANS["job_runner"].networks
    assert [port.port for port in PLANS["job_runner"].ports] == [contract.CONTROLLERS_PORT]


def test_object_store() -> None:
    """Buckets, keys and the volume that jobs see under /gcs."""
    spec = PLANS["object_store"]
    assert spec.env == {"CAIRN_BUCKETS": "a,b"}
    assert spec.secrets == {"object_store_access_key": "access", "object_store_secret_key": "secret"}
    assert [(mount.volume, mount.target) for mount in spec.mounts] == [("s3", contract.OBJECT_STORE_DATA_DIR)]
    assert spec.ports[0].publish == 9000


def test_database() -> None:
    """A password file per database; nothing is published."""
    spec = PLANS["database"]
    assert spec.env == {"CAIRN_DATABASES": "cairn,mlflow"}
    assert spec.secrets == {"cairn_password": "one", "mlflow_password": "two"}
    assert spec.ports[0].publish is None


def test_tracking() -> None:
    """The server is told where database and store are, and gets their credentials as files."""
    spec = PLANS["tracking"]
    assert spec.env["CAIRN_ARTIFACT_ROOT"] == "s3://b/x"
    assert spec.env["CAIRN_DATABASE_HOST"] == "database"
    assert spec.env["CAIRN_ALLOWED_HOSTS"] == "mlflow:5000,127.0.0.1:*"
    assert set(spec.secrets) == {
        "database_password",
        "object_store_access_key",
        "object_store_secret_key",
        "signing_key",
        "people",
    }


@pytest.mark.parametrize(("kind", "module"), [("api", "workloads.api"), ("job_runner", "workloads.controllers")])
def test_platform_services(kind: str, module: str) -> None:
    """API and controllers are one image with different commands and the same config."""
    assert list(PLANS[kind].command) == ["python3", "-m", module]
    assert PLANS[kind].env[contract.ENV_CONFIG] == "{}"


def test_gateway() -> None:
    """Only the front port is published; the agent stays inside, the routes on a volume."""
    spec = PLANS["gateway"]
    assert {port.port: port.publish for port in spec.ports} == {8080: 8080, contract.GATEWAY_AGENT_PORT: None}
    assert spec.mounts[0].target == gateway.STATE_DIR


def model(**changes: object) -> endpoint.DeclaredModel:
    """A declared model."""
    wish: dict[str, object] = {
        "model": "flights",
        "artifact_uri": "gs://models/flights/1",
        "image": "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest",
        "machine_type": "n1-standard-2",
        **changes,
    }
    return endpoint.DeclaredModel(**wish)  # type: ignore[arg-type]


def endpoint_args(*models: endpoint.DeclaredModel) -> endpoint.EndpointArgs:
    """An endpoint of these models."""
    images = {"prediction/sklearn-cpu": "cairn/prediction:0"}
    return endpoint.EndpointArgs("Delays", models, (0.5, "gs://data/logs"), CONFIG, images, "k" * 40)


def test_an_endpoint_with_a_new_version() -> None:
    """A rollout or shadow is in the label of its model's containers; the label of one without is as it always was."""
    planned = endpoint.plan("delays", endpoint_args(model(), model(traffic=0, rollout=Rollout(steps=(20, 100)))))
    live, new = (json.loads(group.template.labels[contract.LABEL_DEPLOYED_MODEL]) for _, group in planned)
    assert Rollout.from_json(new["rollout"]).steps == (20, 100)
    assert live.keys() & {"rollout", "shadow"} == set()
    planned = endpoint.plan("delays", endpoint_args(model(), model(traffic=0, shadow=20)))
    assert [served.shadow for served, _ in planned] == [0, 20]


def test_an_endpoint_s_own_settings() -> None:
    """Its name and what it logs are in every label; without, labels are as they were: no new servers."""
    args = endpoint_args(model(traffic=90), model(traffic=10))
    logs = request_logs.message(0.5, "gs://data/logs")
    for served, _ in endpoint.plan("delays", args):
        assert served.endpoint_message == {"displayName": "Delays", request_logs.FIELD: logs}
    plain = endpoint.plan("delays", replace(args, display_name="delays", logs=(0.0, "gs://data/logs")))
    assert all("endpoint_message" not in json.loads(served.to_json()) for served, _ in plain)


def test_endpoint() -> None:
    """A group per model, weights as declared, the placeholder where the token comes, nothing else secret."""
    planned = endpoint.plan("delays", endpoint_args(model(replicas=2, traffic=90), model(traffic=10)))
    assert [(group.name, group.replicas) for _, group in planned] == [("model-delays-1", 2), ("model-delays-2", 1)]
    assert [served.weight for served, _ in planned] == [90, 10]
    first = planned[0][1].template
    assert first.files[f"{contract.SECRETS_DIR}/{contract.SECRET_TOKEN}"] == endpoint.TOKEN_PLACEHOLDER
    assert [(mount.volume, mount.subpath) for mount in first.mounts] == [("cairn-test-object-store", "models")]
    assert first.restart == "always"


def test_endpoint_refuses_an_unknown_machine_type() -> None:
    """The plan's own words, with the nearest machine type."""
    with pytest.raises(InvalidWish, match="n1-standard-2"):
        endpoint.plan("delays", endpoint_args(model(machine_type="n1-standrd-2")))


def test_the_api_keeps_uploads_on_a_volume() -> None:
    """Its temporary files, uploads on their way to a bucket, are on its volume: large, and there after a restart."""
    (mount,) = PLANS["api"].mounts
    assert (mount.volume, mount.target) == ("api", PLANS["api"].env["TMPDIR"])
