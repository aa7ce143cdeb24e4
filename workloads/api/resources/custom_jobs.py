"""customJobs: checked whole before anything is accepted, so that a queued job can run. The controllers do the rest."""

from typing import Final

from workloads.api import checks, crud, secret_manager
from workloads.api.errors import invalid
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.plans import training
from workloads.plans.errors import InvalidWish
from workloads.store import Resource

MAX_REPLICAS: Final = 1000  # far above any host; only guards the planner against absurd numbers
RUNNING: Final = frozenset({"JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"})
CANCELLABLE: Final = frozenset({"JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING"})
# Without these the job would run differently from what its author asked for. Kept, though without effect on one's own
# machine: serviceAccount, network.
REFUSED_SPEC: Final = {
    "persistentResourceId": "persistent resources are not served; leave it out to run on demand",
    "tensorboard": "TensorBoard is not served; log to MLflow (MLFLOW_TRACKING_URI is set in the job)",
    "experiment": "Vertex Experiments are not served; log to MLflow (MLFLOW_TRACKING_URI is set in the job)",
    "experimentRun": "Vertex Experiments are not served; log to MLflow (MLFLOW_TRACKING_URI is set in the job)",
    "reservedIpRanges": "jobs have a network of their own",
    "pscInterfaceConfig": "jobs have a network of their own",
    "enableWebAccess": "interactive shells are not served; use `docker exec` on the host",
    "enableDashboardAccess": "dashboards are not served",
    "protectedArtifactLocationId": "protected artifacts are not served",
    "models": "evaluating models in a custom job is not served",
}
REFUSED_POOL: Final = {
    "nfsMounts": "read files from /gcs/<bucket> instead",
    "lustreMounts": "read files from /gcs/<bucket> instead",
}


def check_spec(context: Context, spec: Json, where: str) -> None:
    """Refuse a jobSpec that could not run here as asked.

    Raises:
        ApiError: with what is wrong and where.
    """
    checks.refuse(spec, REFUSED_SPEC, where)
    for number, pool in enumerate(spec.get("workerPoolSpecs", [])):
        checks.refuse(pool, REFUSED_POOL, f"{where}.workerPoolSpecs[{number}]")
        if int(pool.get("replicaCount", 0)) > MAX_REPLICAS:
            raise invalid(
                f"{where}.workerPoolSpecs[{number}].replicaCount is {pool['replicaCount']}: more than any stack has."
            )
        for uri in pool.get("pythonPackageSpec", {}).get("packageUris", []):
            checks.gcs_uri(uri, f"{where}.workerPoolSpecs[{number}].pythonPackageSpec.packageUris")
    if prefix := spec.get("baseOutputDirectory", {}).get("outputUriPrefix"):
        checks.gcs_uri(prefix, f"{where}.baseOutputDirectory.outputUriPrefix")
    for field in ("timeout", "maxWaitDuration"):
        if checks.seconds(spec.get("scheduling", {}).get(field, "0s")) < 0:
            raise invalid(f'{where}.scheduling.{field} is negative; give a duration such as "3600s".')
    try:
        training.check(spec, context.config)
    except InvalidWish as error:  # its texts speak of jobSpec, which a pipeline's inputs are not called
        raise invalid(f"{error}.".replace("jobSpec", where)) from error


def _prepare(context: Context, message: Json) -> Json:
    checks.display_name(message)
    checks.labels(message)
    checks.refuse(message, {"encryptionSpec": "customer-managed encryption keys are not available"}, "customJob")
    check_spec(context, message["jobSpec"], "jobSpec")
    return {**message, "state": "JOB_STATE_QUEUED"}


def check_not_running(_: Context, row: Resource) -> None:
    """Refuse to delete what still has containers.

    Raises:
        ApiError: FAILED_PRECONDITION.
    """
    if row.state in RUNNING:
        raise crud.still_running(row)


def cancel(context: Context, call: Call) -> Json:
    """Ask the controllers to stop the job; a job that has ended stays as it is, as on Vertex."""

    def change(message: Json, _: Json) -> None:
        if message.get("state") in CANCELLABLE:
            message["state"] = "JOB_STATE_CANCELLING"

    context.store.update(call.request["name"], change)
    return {}


CUSTOM_JOB: Final = crud.Kind("JobService", "CustomJob", "customJobs", _prepare, check_delete=check_not_running)
_CRUD: Final = crud.handlers(CUSTOM_JOB)


def create(context: Context, call: Call) -> Json:
    """A new job, if its author may open the secrets that it refers to."""
    secret_manager.require(context, call.principal, call.request["customJob"]["jobSpec"])
    return _CRUD["JobService.CreateCustomJob"](context, call)


HANDLERS: Handlers = {**_CRUD, "JobService.CreateCustomJob": create, "JobService.CancelCustomJob": cancel}
