"""batchPredictionJobs: checked whole before anything is accepted. The controllers run them."""

from typing import Final

from workloads.api import checks, crud
from workloads.api.errors import invalid, unimplemented
from workloads.api.handlers import Context, Handlers, Json
from workloads.api.resources import custom_jobs
from workloads.plans import batch, machines

PLANNED: Final = "projects/p/locations/l/batchPredictionJobs/0"  # any name: the plan is only a check
INPUT_FORMATS: Final = ("jsonl", "csv", "file-list", "parquet")  # the last, in and out, is ours
OUTPUT_FORMATS: Final = ("jsonl", "csv", "parquet")
REFUSED: Final = {
    "unmanagedContainerModel": "upload the model to the registry and name it in model",
    "generateExplanation": "explanations are not served",
    "explanationSpec": "explanations are not served",
    "modelMonitoringConfig": "model monitoring is not served",
    "encryptionSpec": "customer-managed encryption keys are not available",
}


def _check_format(config: Json, field: str, supported: tuple[str, ...], where: str) -> None:
    given = config.get(field)
    if not given:
        raise invalid(f"Required field {where}.{field} is not set; this stack supports {', '.join(supported)}.")
    if given not in supported:
        raise unimplemented(f"{where}.{field} {given!r} is not supported; use {', '.join(supported)}.")


def _check_input(config: Json) -> None:
    _check_format(config, "instancesFormat", INPUT_FORMATS, "inputConfig")
    source = checks.one_of(config, ("gcsSource", "bigquerySource", "vertexMultimodalDatasetSource"), "inputConfig")
    if source != "gcsSource":
        raise unimplemented(f"inputConfig.{source} is not supported; give files in inputConfig.gcsSource.")
    uris = config["gcsSource"].get("uris", [])
    if not uris:
        raise invalid("inputConfig.gcsSource.uris is empty; name at least one file.")
    for uri in uris:
        checks.gcs_uri(uri, "inputConfig.gcsSource.uris")


def _check_instances(message: Json) -> None:
    """InstanceConfig against the format of the input, as the message's documentation has it."""
    config = message.get("instanceConfig") or {}
    kind, instances_format = config.get("instanceType", ""), message["inputConfig"]["instancesFormat"]
    included, excluded = config.get("includedFields", []), config.get("excludedFields", [])
    if kind not in ("", "object", "array"):
        raise invalid(f"instanceConfig.instanceType is {kind!r}; give 'object' or 'array'.")
    if included and excluded:
        raise invalid("instanceConfig has both includedFields and excludedFields; give one of them.")
    if kind and instances_format in ("csv", "file-list"):
        raise invalid(f"instanceConfig.instanceType does not apply to {instances_format}; leave it out.")
    if instances_format == "file-list" and (included or excluded or config.get("keyField")):
        raise invalid("instanceConfig does not apply to file-list, whose lines have no fields; leave it out.")
    if kind == "array" and instances_format == "jsonl" and (excluded or config.get("keyField")) and not included:
        raise invalid("instanceConfig.includedFields must say the order of an array's values when lines are objects.")


def _check_output(config: Json) -> None:
    _check_format(config, "predictionsFormat", OUTPUT_FORMATS, "outputConfig")
    source = checks.one_of(config, ("gcsDestination", "bigqueryDestination"), "outputConfig")
    if source != "gcsDestination":
        raise unimplemented(f"outputConfig.{source} is not supported; give outputConfig.gcsDestination.")
    checks.gcs_uri(config["gcsDestination"].get("outputUriPrefix", ""), "outputConfig.gcsDestination.outputUriPrefix")


def _check_model(context: Context, message: Json) -> None:
    """The model exists, and its server can run here."""
    if not message.get("model"):
        raise invalid("Required field model is not set; name one of the registry (projects/…/models/…).")
    resources = message.get("dedicatedResources", {})
    for field in ("startingReplicaCount", "maxReplicaCount"):
        if not 0 <= int(resources.get(field, 0)) <= custom_jobs.MAX_REPLICAS:
            raise invalid(f"dedicatedResources.{field} is {resources[field]}; give a number that fits the stack.")
    starting, most = (int(resources.get(field, 0)) for field in ("startingReplicaCount", "maxReplicaCount"))
    if most and starting > most:
        raise invalid(f"dedicatedResources.startingReplicaCount is {starting}, more than maxReplicaCount, {most}.")
    model = context.models.get(message["model"])
    batch.plan(PLANNED, message, model, "gs://bucket/folder", 0, "", context.config)
    machines.require_possible(machines.demand(batch.limits(PLANNED, message, model, context.config)), context.config)


def _prepare(context: Context, message: Json) -> Json:
    checks.display_name(message)
    checks.labels(message)
    checks.refuse(message, REFUSED, "batchPredictionJob")
    _check_input(message["inputConfig"])
    _check_output(message["outputConfig"])
    _check_instances(message)
    _check_model(context, message)
    return {**message, "state": "JOB_STATE_QUEUED"}


BATCH_PREDICTION_JOB: Final = crud.Kind(
    "JobService", "BatchPredictionJob", "batchPredictionJobs", _prepare, check_delete=custom_jobs.check_not_running
)
HANDLERS: Handlers = {
    **crud.handlers(BATCH_PREDICTION_JOB),
    "JobService.CancelBatchPredictionJob": custom_jobs.cancel,
}
