"""Custom jobs' messages → groups of containers."""

import configparser
import json
from typing import Any

import pytest

from tests.support.controllers import PARENT, TRAINING, config, job, pool
from workloads import contract
from workloads.config import MachineType
from workloads.plans import environment, training
from workloads.plans.container import INDEX, ContainerSpec, Mount, Placement, Resources
from workloads.plans.errors import InvalidWish

NAME = f"{PARENT}/customJobs/77"
TOKEN = "a.secret.token"
VPC = "projects/123/global/networks/default"
Json = dict[str, Any]


def plan(*pools: Json, attempt: int = 0, **spec: Any) -> list[ContainerSpec]:
    """The containers of a job of these pools, pool by pool."""
    groups = training.plan(NAME, job(*pools, **spec)["jobSpec"], attempt, TOKEN, config())
    return [container for group in groups for container in group.containers()]


def package(**fields: Any) -> Json:
    """A pool with a Python package, as CustomTrainingJob sends it."""
    spec = {
        "executorImageUri": TRAINING,
        "packageUris": ["gs://code/aiplatform_custom_trainer_script-0.1.tar.gz"],
        "pythonModule": "aiplatform_custom_trainer_script.task",
        **fields,
    }
    good = pool()
    del good["containerSpec"]
    return {**good, "pythonPackageSpec": spec}


def test_one_container() -> None:
    """Image, command, arguments, limits, labels and name are what message and stack say."""
    (one,) = plan(
        pool("n1-standard-4", args=["--x", "1"], env=[{"name": "A", "value": "b"}, {"name": "EMPTY"}]), attempt=2
    )
    assert (one.name, one.image, one.command, one.args) == ("job-77-2-0-0", "local/training", ("run",), ("--x", "1"))
    assert one.resources == Resources(1, 512, disk_mib=10240)
    assert (one.env["A"], one.env["EMPTY"]) == ("b", "")
    assert (one.network, one.user, one.restart) == (contract.NETWORK_WORKLOADS, contract.RUN_AS, "never")
    assert one.labels == {
        contract.LABEL_KIND: "custom_job",
        contract.LABEL_NAME: "job-77-2-0",
        contract.LABEL_RESOURCE: NAME,
        contract.LABEL_ATTEMPT: "2",
        contract.LABEL_REPLICA: "0-0",
    }


def test_the_same_wish_is_the_same_plan() -> None:
    """A controller that comes after a restart plans the very same containers."""
    assert plan(pool(), pool(replicas=2)) == plan(pool(), pool(replicas=2))


def test_contract_environment() -> None:
    """What Vertex promises a training container, and how clients inside find the stack."""
    env = plan(pool(), baseOutputDirectory={"outputUriPrefix": "gs://out/run/"})[0].env
    expected = {
        "AIP_MODEL_DIR": "gs://out/run/model/",
        "AIP_CHECKPOINT_DIR": "gs://out/run/checkpoints/",
        "AIP_TENSORBOARD_LOG_DIR": "gs://out/run/logs/",
        "CLOUD_ML_JOB_ID": "77",
        "CLOUD_ML_PROJECT_ID": "p",
        "CLOUD_ML_REGION": "l",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_APPLICATION_CREDENTIALS": contract.CREDENTIALS_FILE,
        "CAIRN_API_ENDPOINT": "http://gateway:8080",
        "CAIRN_TOKEN_FILE": "/run/secrets/token",
        "MLFLOW_TRACKING_URI": "http://tracking:5000",
    }
    assert {key: env.get(key) for key in expected} == expected
    assert "AIP_MODEL_DIR" not in plan()[0].env, "without an output directory there is none"


def test_cluster_spec_and_tf_config() -> None:
    """Every replica finds all others and itself, by the names that the containers have."""
    specs = plan(pool(), pool(replicas=2), pool(replicas=0), pool())
    assert [spec.name for spec in specs] == ["job-77-0-0-0", "job-77-0-1-0", "job-77-0-1-1", "job-77-0-3-0"]
    cluster = json.loads(specs[2].env["CLUSTER_SPEC"])
    assert cluster["cluster"] == {
        "workerpool0": ["job-77-0-0-0:2222"],
        "workerpool1": ["job-77-0-1-0:2222", "job-77-0-1-1:2222"],
        "workerpool3": ["job-77-0-3-0:2222"],
    }
    assert (cluster["task"], cluster["environment"]) == ({"type": "workerpool1", "index": 1}, "cloud")
    tf_config = json.loads(specs[3].env["TF_CONFIG"])
    assert tf_config["task"] == {"type": "evaluator", "index": 0}
    assert set(tf_config["cluster"]) == {"chief", "worker", "evaluator"}


def test_groups() -> None:
    """A group per pool that has replicas; the number stands bare in JSON, and nowhere that a user wrote."""
    spec = job(pool(), pool(replicas=0), pool(replicas=2, args=['"@INDEX@"', INDEX]))["jobSpec"]
    groups = training.plan(NAME, spec, 1, TOKEN, config())
    assert [(group.name, group.replicas) for group in groups] == [("job-77-1-0", 1), ("job-77-1-2", 2)]
    template = groups[1].template
    assert f'"index": {INDEX}' in template.env["TF_CONFIG"]
    assert template.env["CLUSTER_SPEC"].count(INDEX) == 1, "the job in it has the user's own text"
    assert template.labels[contract.LABEL_REPLICA] == f"2-{INDEX}"
    second = groups[1].container(1)
    assert json.loads(json.loads(second.env["CLUSTER_SPEC"])["job"]) == spec
    assert (second.name, second.labels[contract.LABEL_REPLICA]) == ("job-77-1-2-1", "2-1")


def test_hosts_of_an_engine_with_a_domain() -> None:
    """CLUSTER_SPEC names hosts as the engine does."""
    two = job(pool(), pool())["jobSpec"]
    group, _ = training.plan(NAME, two, 0, TOKEN, config(replica_domain="workloads"))
    assert '"job-77-0-0-0.workloads:2222"' in group.template.env["CLUSTER_SPEC"]
    assert not group.template.alone


@pytest.mark.parametrize(
    ("asked", "mib"), [({}, 10240), ({"bootDiskSizeGb": 1}, 953), ({"bootDiskSizeGb": 100}, 10240)]
)
def test_disk(asked: Any, mib: int) -> None:
    """What a replica may write is what its diskSpec asks for, and no more than the stack allows."""
    (one,) = plan({**pool(), "diskSpec": asked})
    assert one.resources.disk_mib == mib


def test_a_job_of_one_replica() -> None:
    """It is alone, and finds itself wherever its engine starts it."""
    (group,) = training.plan(NAME, job()["jobSpec"], 0, TOKEN, config())
    assert json.loads(group.container(0).env["CLUSTER_SPEC"])["cluster"] == {"workerpool0": ["localhost:2222"]}
    assert group.template.alone


def test_variables_refer_to_one_another() -> None:
    """As Vertex documents for an EnvVar's value; a job's command and arguments are left alone, as it does not."""
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A) $(CLOUD_ML_JOB_ID) $$(A) $(LATER) $"},
        {"name": "LATER", "value": "x"},
    ]
    (one,) = plan(pool(env=env, args=["$(A)", "$$(A)"]))
    assert one.env["B"] == "1 77 $(A) $(LATER) $"
    assert one.args == ("$(A)", "$$(A)")


def test_placement() -> None:
    """Where a pool may run comes from its machine type."""
    machine = MachineType(1, 512, 0.2, {"pool": "big"})
    (group,) = training.plan(NAME, job(pool("big"))["jobSpec"], 0, TOKEN, config(machine_types={"big": machine}))
    assert group.template.placement == Placement({"pool": "big"})


def test_secrets_are_files() -> None:
    """The token is in a file, Google's credentials point to it, and nothing else holds it."""
    (one,) = plan()
    assert one.files["/run/secrets/token"] == TOKEN
    credentials = json.loads(one.files[contract.CREDENTIALS_FILE])
    assert (credentials["type"], credentials["token_url"]) == ("external_account", "http://gateway:8080/cairn/v1/token")
    assert credentials["credential_source"]["file"] == "/run/secrets/token"
    assert TOKEN not in str((one.env, one.labels, one.command, one.args, one.mounts))


def test_mounts_are_the_buckets_that_the_message_names() -> None:
    """Each as a folder of the object store's volume, and the staging bucket besides."""
    (one,) = plan(pool(args=["--data", "gs://data/x", "/gcs/more/y"]))
    assert one.mounts == tuple(Mount("objects", f"/gcs/{name}", name) for name in ("data", "more", "staging"))
    bare = training.plan(NAME, job()["jobSpec"], 0, TOKEN, config(object_store_volume=""))
    assert bare[0].template.mounts == ()


def test_keys_of_its_own() -> None:
    """S3's clients find keys, place and style in files; no key is in the environment."""
    keys = environment.s3_files(TOKEN, "access", "hidden")
    (group,) = training.plan(NAME, job()["jobSpec"], 0, TOKEN, config(), keys)
    found = configparser.ConfigParser()
    found.read_string(group.template.files[group.template.env["AWS_SHARED_CREDENTIALS_FILE"]])
    assert dict(found["default"]) == {
        "aws_access_key_id": "access", "aws_secret_access_key": "hidden", "aws_session_token": TOKEN,
    }  # fmt: skip
    assert "addressing_style = path" in group.template.files[group.template.env["AWS_CONFIG_FILE"]]
    assert group.template.env["AWS_ENDPOINT_URL_S3"] == "http://object-store:9000"
    assert "hidden" not in str(group.template.env)


@pytest.mark.parametrize(
    ("stack_says", "network", "out"),
    [("asked", "", False), ("asked", VPC, True), ("all", "", True), ("none", "", False)],
)
def test_a_way_out(stack_says: Any, network: str, out: bool) -> None:
    """A job has one when it names a network or the stack gives it to all; pip looks for an index only then."""
    settings = config(egress=stack_says)
    (group,) = training.plan(NAME, job(package(), network=network)["jobSpec"], 0, TOKEN, settings)
    assert group.template.egress is out
    assert ("--offline" in group.template.args) is not out


@pytest.mark.parametrize(
    ("stack_says", "network", "says"),
    [
        ("none", VPC, "cairn:egress is none"),
        ("asked", "default", "must be projects/<project>/global/networks/<network>"),
    ],
)
def test_a_way_out_that_is_refused(stack_says: Any, network: str, says: str) -> None:
    """Where the stack lets nobody out, and for what is no network's name."""
    with pytest.raises(InvalidWish, match=says):
        training.check(job(network=network)["jobSpec"], config(egress=stack_says))


def test_python_package() -> None:
    """A package runs through the image's own entry point; the module's arguments come last."""
    (one,) = plan(package(args=["--epochs", "3"], env=[{"name": "A", "value": "1"}]))
    assert one.command == ("python3", "-m", "workloads.training")
    assert one.args == (
        "--package-uri", "gs://code/aiplatform_custom_trainer_script-0.1.tar.gz",
        "--offline", "--module", "aiplatform_custom_trainer_script.task", "--", "--epochs", "3",
    )  # fmt: skip
    assert one.env["A"] == "1"
    assert Mount("objects", "/gcs/code", "code") in one.mounts


def test_home() -> None:
    """An image of the user's own does not know our user, so it gets a writable home; its author may say otherwise."""
    assert "HOME" not in plan(pool())[0].env
    assert plan(pool(imageUri="mine"))[0].env["HOME"] == "/tmp"
    assert plan(pool(imageUri="mine", env=[{"name": "HOME", "value": "/data"}]))[0].env["HOME"] == "/data"


def test_the_contract_wins_over_the_users_variables() -> None:
    """CLUSTER_SPEC and AIP_… tell the truth even if the message sets them."""
    (one,) = plan(pool(env=[{"name": "CLOUD_ML_JOB_ID", "value": "x"}]))
    assert one.env["CLOUD_ML_JOB_ID"] == "77"


@pytest.mark.parametrize(
    ("pools", "says"),
    [
        ([], "workerPoolSpecs has 0 pools"),
        ([pool()] * 5, "workerPoolSpecs has 5 pools"),
        ([pool(replicas=2)], r"workerPoolSpecs\[0\].replicaCount is 2"),
        ([pool(), pool(replicas=-1)], r"workerPoolSpecs\[1\].replicaCount is -1"),
        (
            [{**pool(), "containerSpec": None}],
            r"workerPoolSpecs\[0\] needs exactly one of containerSpec and pythonPackageSpec",
        ),
        ([{**package(), "containerSpec": {"imageUri": "x"}}], "exactly one of"),
        ([pool(imageUri="")], "image URI is empty"),
        ([pool(imageUri="us-docker.pkg.dev/vertex-ai/training/tf-gpu.2-14:latest")], "tf-gpu"),
        ([pool("n1-standrd-4")], "did you mean n1-standard"),
        ([pool(env=[{"value": "x"}])], "name ''"),
        ([package(executorImageUri="mine")], "prebuilt training images"),
        ([package(packageUris=[])], "packageUris"),
        ([package(pythonModule="")], "pythonModule"),
        ([pool(), pool("n1-standard-8", replicas=3)], "never run on stack 'test'"),
    ],
)
def test_refused(pools: list[Json], says: str) -> None:
    """What can't run is refused with the field's place in the message."""
    spec = {**job()["jobSpec"], "workerPoolSpecs": pools}
    with pytest.raises(InvalidWish, match=says):
        training.check(spec, config())


def test_check_accepts_what_runs() -> None:
    """A good job passes."""
    training.check(job(pool(), pool(replicas=3))["jobSpec"], config())


def test_price_and_limits_count_every_replica() -> None:
    """Three replicas of 0.10 and one of 0.20."""
    spec = job(pool("n1-standard-4"), pool(replicas=3))["jobSpec"]
    assert training.price_per_hour(spec, config()) == pytest.approx(0.5)
    assert training.limits(spec, config()) == [Resources(1, 512), *[Resources(0.5, 256)] * 3]
