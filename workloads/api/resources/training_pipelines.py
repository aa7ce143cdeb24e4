"""trainingPipelines: custom tasks only. The controllers make the custom job and then upload the model."""

from typing import Final

from workloads.api import checks, crud, secret_manager
from workloads.api.errors import invalid, unimplemented
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.api.resources import custom_jobs, models
from workloads.api.vertex import messages
from workloads.plans import pipelines, secrets
from workloads.store import Resource

CUSTOM_TASK: Final = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
JOB_SPEC: Final = f"{messages.PACKAGE}v1beta1.CustomJobSpec"
WHERE: Final = "trainingTaskInputs"
RUNNING: Final = frozenset({"PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING", "PIPELINE_STATE_CANCELLING"})
CANCELLABLE: Final = frozenset({"PIPELINE_STATE_QUEUED", "PIPELINE_STATE_PENDING", "PIPELINE_STATE_RUNNING"})
REFUSED: Final = {
    "inputDataConfig": "managed datasets are not served; read the data from /gcs/<bucket> in the training code",
    "encryptionSpec": "customer-managed encryption keys are not available",
}


def job_spec(inputs: object) -> Json:
    """The CustomJobSpec in a custom task's inputs, which the SDK writes in snake case inside a Struct.

    Raises:
        ApiError: INVALID_ARGUMENT, naming the field.
    """
    about = messages.descriptor(JOB_SPEC)
    return messages.canonical(JOB_SPEC, messages.strip(about, pipelines.job_spec(inputs), WHERE))


def _prepare(context: Context, message: Json) -> Json:
    checks.display_name(message)
    checks.labels(message)
    checks.refuse(message, REFUSED, "trainingPipeline")
    if message["trainingTaskDefinition"] != CUSTOM_TASK:
        raise unimplemented(
            f"trainingTaskDefinition {message['trainingTaskDefinition']!r} is not available; this stack has custom "
            f"training: {CUSTOM_TASK} (CustomTrainingJob, CustomContainerTrainingJob, CustomPythonPackageTrainingJob)."
        )
    spec = job_spec(message["trainingTaskInputs"])
    custom_jobs.check_spec(context, spec, WHERE)
    _check_model(context, message.get("modelToUpload", {}), spec)
    return {**message, "state": "PIPELINE_STATE_QUEUED"}


def _check_model(context: Context, model: Json, spec: Json) -> None:
    if not model:
        return
    models.check(context, model)
    if not spec.get("baseOutputDirectory", {}).get("outputUriPrefix"):
        raise invalid(
            "modelToUpload needs trainingTaskInputs.baseOutputDirectory: the model is taken from its model/ folder."
        )


def _check_delete(_: Context, row: Resource) -> None:
    if row.state in RUNNING:
        raise crud.still_running(row)


def cancel(context: Context, call: Call) -> Json:
    """Ask the controllers to stop the pipeline's job; a pipeline that has ended stays as it is."""

    def change(message: Json, _: Json) -> None:
        if message.get("state") in CANCELLABLE:
            message["state"] = "PIPELINE_STATE_CANCELLING"

    context.store.update(call.request["name"], change)
    return {}


TRAINING_PIPELINE: Final = crud.Kind(
    "PipelineService", "TrainingPipeline", "trainingPipelines", _prepare, check_delete=_check_delete
)
_CRUD: Final = crud.handlers(TRAINING_PIPELINE)


def create(context: Context, call: Call) -> Json:
    """A new pipeline, if its author may open the secrets that its job refers to."""
    inputs = call.request["trainingPipeline"]["trainingTaskInputs"]
    if secrets.SCHEME in str(inputs):
        secret_manager.require(context, call.principal, job_spec(inputs))
    return _CRUD["PipelineService.CreateTrainingPipeline"](context, call)


HANDLERS: Handlers = {
    **_CRUD,
    "PipelineService.CreateTrainingPipeline": create,
    "PipelineService.CancelTrainingPipeline": cancel,
}
