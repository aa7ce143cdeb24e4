"""A batch prediction job → a group of one driver, and one of the model servers that it asks. Called by controllers.

The driver (`python3 -m workloads.batch`, image "batch") finds its task as JSON in TASK_FILE, the fields of `Task`. It
cuts the input into parts, waits for the servers, and has every part worked through: by prebuilt servers themselves,
which write predictions_…. and errors_…. under `output_directory`, or by itself, asking any other server by Vertex's
contract. As it goes it prints lines of JSON, the fields of `Result`, of which the last one counts. Exit code 0 means
that all input was worked through.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from workloads import contract
from workloads.config import PlatformConfig
from workloads.plans import environment, images, machines, names, serving
from workloads.plans.container import INDEX, ContainerSpec, Group, Resources, container_name
from workloads.plans.errors import InvalidWish

KIND: Final = "batch_prediction_job"
IMAGE: Final = "batch"  # of PlatformConfig.images
TASK_FILE: Final = f"{contract.SECRETS_DIR}/batch_task.json"
DRIVER_POOL, SERVERS_POOL = 0, 1  # as in the names of the groups
WITHOUT_CONVERSION: Final = {"CAIRN_RUNTIME": "plain"}  # whole parts go through the model itself
COMMAND: Final = ("python3", "-m", "workloads.batch")
DRIVER: Final = Resources(cpu=0.25, memory_mib=384)
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What the driver is to do.

    Attributes:
        input_uris: gs://bucket/object, with * wildcards.
        instances_format, predictions_format: see workloads.batch.parts and outputs.
        output_directory: gs:// folder of the job's own.
        servers: base URLs of the model servers, all serving the same model.
        batch_size: the most instances of a request, or 0 for as many as suit.
        parameters: sent along with every request when not None.
        prebuilt: whether the servers are ours, which take whole parts (contract.PATH_PARTS).
        instance_type, key_field, included_fields, excluded_fields: Vertex' InstanceConfig.
    """

    name: str
    input_uris: tuple[str, ...]
    instances_format: str
    predictions_format: str
    output_directory: str
    servers: tuple[str, ...]
    health_route: str
    predict_route: str
    batch_size: int = 0
    parameters: Any = None
    prebuilt: bool = False
    instance_type: str = ""
    key_field: str = ""
    included_fields: tuple[str, ...] = ()
    excluded_fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """What the driver's last line says.

    Attributes:
        incomplete_count: instances not worked through yet; -1 when their number isn't known.
        errors: a few of the distinct errors, for the job's partialFailures.
    """

    successful_count: int
    failed_count: int
    incomplete_count: int = 0
    errors: tuple[str, ...] = ()

    @classmethod
    def from_line(cls, line: str) -> "Result | None":
        """The result in a line of the driver's; None when that is none."""
        try:
            raw = json.loads(line)
            return cls(**{**raw, "errors": tuple(str(error) for error in raw.get("errors", ()))})
        except (TypeError, ValueError, AttributeError):
            return None


def output_directory(message: Json, model: Json, started: datetime) -> str:
    """The folder of the job's own under its output prefix: prediction-<model>-<time>, as Vertex names it."""
    prefix = str(message["outputConfig"]["gcsDestination"]["outputUriPrefix"]).rstrip("/")
    time = started.strftime("%Y_%m_%dT%H_%M_%S_") + f"{started.microsecond // 1000:03}Z"
    return f"{prefix}/prediction-{model.get('displayName') or names.resource_id(str(model['name']))}-{time}"


def replicas(message: Json) -> int:
    """How many servers share the job."""
    return int((message.get("dedicatedResources") or {}).get("startingReplicaCount") or 1)


def _model(name: str, message: Json, model: Json) -> serving.DeployedModel:
    """The model as its servers serve it: a deployed model that no endpoint has."""
    resources = message.get("dedicatedResources") or {}
    dedicated = {"machineSpec": resources.get("machineSpec") or {}, "minReplicaCount": replicas(message)}
    return serving.from_messages(name, "0", {"dedicatedResources": dedicated}, model)


def limits(name: str, message: Json, model: Json, config: PlatformConfig) -> list[Resources]:
    """Of each server: what the job reserves. The driver is the platform's own, as on Vertex: limited, not counted."""
    return serving.limits(_model(name, message, model), config)


def price_per_hour(name: str, message: Json, model: Json, config: PlatformConfig) -> float:
    """Of the servers; the driver is the platform's own."""
    served = _model(name, message, model)
    return machines.price_per_hour(served.machine, config) * served.replicas


def buckets(message: Json, model: Json) -> tuple[str, ...]:
    """Those that input, output and the model's artefact are in."""
    artifact = names.bucket_of(str(model.get("artifactUri", "")))
    return names.buckets([message["inputConfig"], message["outputConfig"]], artifact)


def driver(name: str, attempt: int) -> str:
    """The container that an attempt's result is printed by."""
    return container_name(_group_name(name, attempt, DRIVER_POOL), 0)


def plan(
    name: str, message: Json, model: Json, directory: str, attempt: int, token: str, config: PlatformConfig
) -> list[Group]:
    """The driver, then the servers.

    Args:
        name: the job's resource name.
        model: the Model message of the version to ask.
        directory: see `output_directory`; the same one for every attempt.
        token: the job's own bearer token, which opens `buckets`.

    Raises:
        InvalidWish: the stack has no driver image, or see serving.plan.
    """
    if IMAGE not in config.images:
        raise InvalidWish(f"this stack has no {IMAGE!r} image, so it can't run batch predictions")
    served = _model(name, message, model)
    served_by = serving.plan(served, token, config)
    opened = buckets(message, model)
    prebuilt = _is_prebuilt(served)
    template = replace(
        served_by.template,
        mounts=environment.gcs_mounts(config, opened) if prebuilt else served_by.template.mounts,
        env={**served_by.template.env, **(WITHOUT_CONVERSION if prebuilt else {})},
        name=_group_name(name, attempt, SERVERS_POOL),
        labels=_labels(name, attempt, SERVERS_POOL),
        restart="never",  # a server that dies fails or retries the job, which its controller decides
    )
    servers = replace(served_by, template=template)
    # Each by itself even where the engine balances: the driver spreads the work, and waits for all of them.
    urls = [f"http://{serving.address(each.name, served, config)}" for each in servers.containers()]
    task = _task(name, message, directory, served, urls)
    return [Group(_driver(name, task, opened, attempt, token, config)), servers]


def _is_prebuilt(served: serving.DeployedModel) -> bool:
    """Whether the servers run our own program, and so take whole parts."""
    return images.parse(served.image) is not None and not served.command and not served.args


def _task(name: str, message: Json, directory: str, served: serving.DeployedModel, servers: list[str]) -> Task:
    source, tuning = message["inputConfig"], message.get("manualBatchTuningParameters") or {}
    shape = message.get("instanceConfig") or {}
    return Task(
        name=name,
        input_uris=tuple(source["gcsSource"]["uris"]),
        instances_format=str(source["instancesFormat"]),
        predictions_format=str(message["outputConfig"]["predictionsFormat"]),
        output_directory=directory,
        servers=tuple(servers),
        health_route=served.health_path,
        predict_route=served.predict_path,
        batch_size=int(tuning.get("batchSize") or 0),
        parameters=message.get("modelParameters"),
        prebuilt=_is_prebuilt(served),
        instance_type=str(shape.get("instanceType", "")),
        key_field=str(shape.get("keyField", "")),
        included_fields=tuple(shape.get("includedFields", ())),
        excluded_fields=tuple(shape.get("excludedFields", ())),
    )


def _driver(
    name: str, task: Task, buckets: tuple[str, ...], attempt: int, token: str, config: PlatformConfig
) -> ContainerSpec:
    return ContainerSpec(
        name=_group_name(name, attempt, DRIVER_POOL),
        image=config.images[IMAGE],
        resources=DRIVER,
        command=COMMAND,
        env=environment.platform(config),
        files={**environment.secret_files(config, token), TASK_FILE: json.dumps(asdict(task))},
        mounts=environment.gcs_mounts(config, buckets),
        calls=_group_name(name, attempt, SERVERS_POOL),
        labels=_labels(name, attempt, DRIVER_POOL),
    )


def _group_name(name: str, attempt: int, pool: int) -> str:
    return names.group_name("batch", names.resource_id(name), attempt, pool)


def _labels(name: str, attempt: int, pool: int) -> dict[str, str]:
    return {
        contract.LABEL_KIND: KIND,
        contract.LABEL_NAME: _group_name(name, attempt, pool),
        contract.LABEL_RESOURCE: name,
        contract.LABEL_ATTEMPT: str(attempt),
        contract.LABEL_REPLICA: f"{pool}-{INDEX}",
    }
