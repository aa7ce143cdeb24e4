"""endpoints: create, read, update and delete; deploy, undeploy and mutate are checked and left to a controller."""

import copy
import time
from collections.abc import Sequence
from typing import Final

from workloads.api import checks, crud, operations
from workloads.api.errors import invalid, not_found, precondition
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.api.resources import request_logging
from workloads.plans import autoscaling, machines, request_logs, serving, shadows
from workloads.store import Resource

MAX_REPLICAS: Final = 1000  # far above any host; only guards the planner against absurd numbers
ALL: Final = 100  # percent
MAX_ID_LENGTH: Final = 20
ROUTED_S: Final = 10.0  # how long an update waits for the gateway; the split is kept however long that takes
POLL_S: Final = 0.05
ZERO: Final = ("initialReplicaCount", "scaleToZeroSpec")
NEW: Final = "0"  # in a trafficSplit of deployModel: the model that is being deployed
REFUSED: Final = {
    "network": "endpoints are reached through the stack's own gateway",
    "enablePrivateServiceConnect": "endpoints are reached through the stack's own gateway",
    "privateServiceConnectConfig": "endpoints are reached through the stack's own gateway",
    "dedicatedEndpointEnabled": "every endpoint is reached under the stack's own address",
    "encryptionSpec": "customer-managed encryption keys are not available",
}
REFUSED_DEPLOYED: Final = {
    "sharedResources": "deployment resource pools are not served; use dedicatedResources",
    "explanationSpec": "explanations are not served",
    "gdcConnectedModel": "Google Distributed Cloud is not here",
    "speculativeDecodingSpec": "generative models are not served",
}


def _prepare(context: Context, message: Json) -> Json:
    checks.display_name(message)
    checks.labels(message)
    checks.refuse(message, REFUSED, "endpoint")
    if message.get("trafficSplit"):
        raise invalid("endpoint.trafficSplit must be empty at first: give it when a model is deployed.")
    shadows.check(message.get("labels", {}), {}, set())
    request_logging.complete(message, context.config.staging_bucket)
    return message


def _check_update(context: Context, message: Json) -> None:
    checks.display_name(message)
    checks.labels(message)
    ids = {deployed["id"] for deployed in message.get("deployedModels", [])}
    check_split(message.get("trafficSplit", {}), ids)
    shadows.check(message.get("labels", {}), message.get("trafficSplit", {}), ids)
    request_logging.complete(message, context.config.staging_bucket)


def _check_delete(context: Context, row: Resource) -> None:
    deployed = [each["id"] for each in row.message.get("deployedModels", [])]
    if deployed:
        raise precondition(
            f"{row.name} has deployed models ({', '.join(deployed)}); undeploy them, or delete(force=True)."
        )
    if running := operations.open_on(context, row.name):
        raise precondition(f"{row.name} is being changed by {running[0].name}; wait for it, then delete the endpoint.")


def check_split(split: Json, ids: set[str]) -> None:
    """Vertex' rule: empty, or percentages of deployed models that sum to 100.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    unknown = sorted(set(split) - ids)
    if unknown:
        known = ", ".join(sorted(ids)) or "none"
        raise invalid(f"trafficSplit names {unknown[0]!r}, which is not deployed on the endpoint; these are: {known}.")
    if any(not 0 <= share <= ALL for share in split.values()) or (split and sum(split.values()) != ALL):
        raise invalid(f"trafficSplit sums to {sum(split.values())}; percentages from 0 to 100 must sum to 100.")


ENDPOINT: Final = crud.Kind(
    "EndpointService", "Endpoint", "endpoints",
    prepare=_prepare,
    mutable=("displayName", "description", "labels", "trafficSplit", request_logs.FIELD),
    check_update=lambda context, row, message: _check_update(context, message),
    check_delete=_check_delete,
    create_is_operation=True,
)  # fmt: skip


def _ids(row: Resource) -> set[str]:
    return {str(each["id"]) for each in row.message.get("deployedModels", [])}


def _endpoint(context: Context, call: Call) -> Resource:
    return crud.get(ENDPOINT, context, call.request["endpoint"])


def _check_resources(context: Context, endpoint: str, deployed: Json) -> None:
    """Refuse what could never be served here."""
    checks.refuse(deployed, REFUSED_DEPLOYED, "deployedModel")
    rule = autoscaling.rule(deployed)
    if "dedicatedResources" in deployed:
        autoscaling.check(deployed["dedicatedResources"], context.config.autoscaling.shortest_idle_s)
    if not 0 <= rule.low <= rule.high <= MAX_REPLICAS:
        raise invalid(
            f"{rule.low} to {rule.high} replicas: the most is {MAX_REPLICAS}, and no more than fit the stack."
        )
    plan = serving.from_messages(endpoint, deployed["id"], deployed, context.models.get(deployed["model"]))
    plan = plan.scaled(max(plan.replicas, rule.high))
    serving.plan(plan, "", context.config)
    machines.require_possible(machines.demand(serving.limits(plan, context.config)), context.config)


def deploy_model(context: Context, call: Call) -> Json:
    """Check that the model can run and be routed here, give it an id, and leave the work to a controller."""
    row, request = _endpoint(context, call), copy.deepcopy(call.request)
    deployed = request["deployedModel"]
    if not deployed.get("model"):
        raise invalid("Required field deployedModel.model is not set.")
    deployed.setdefault("id", context.store.new_id())
    if not deployed["id"].isdigit() or len(deployed["id"]) > MAX_ID_LENGTH or deployed["id"] == NEW:
        raise invalid(f"deployedModel.id is {deployed['id'][:40]!r}; give 1 to 20 digits, or leave it out.")
    if deployed["id"] in _ids(row):
        raise invalid(f"deployedModel.id {deployed['id']} is in use on {row.name}; leave it out to get a new one.")
    _check_resources(context, row.name, deployed)
    check_split(request.get("trafficSplit", {}), {*_ids(row), NEW})
    shadows.check(row.message.get("labels", {}), request.get("trafficSplit", {}), _ids(row))
    return operations.start(context, call, "DeployModelOperationMetadata", "deployModel", row.name, request)


def _require_deployed(row: Resource, model_id: str) -> None:
    if model_id not in _ids(row):
        known = ", ".join(sorted(_ids(row))) or "none"
        raise not_found(f"{row.name} has no deployed model {model_id!r}; deployed are: {known}.")


def undeploy_model(context: Context, call: Call) -> Json:
    """Check that traffic goes on without the model, and leave the work to a controller."""
    row, model_id = _endpoint(context, call), call.request["deployedModelId"]
    _require_deployed(row, model_id)
    split, others = call.request.get("trafficSplit", {}), _ids(row) - {model_id}
    check_split(split, others)
    shadows.check(row.message.get("labels", {}), split, _ids(row))
    share = row.message.get("trafficSplit", {}).get(model_id, 0)
    if share and others and not split:
        raise precondition(
            f"Deployed model {model_id} serves {share}% of the traffic of {row.name}; give a trafficSplit of the rest "
            f"({', '.join(sorted(others))}) that sums to 100."
        )
    return operations.start(context, call, "UndeployModelOperationMetadata", "undeployModel", row.name, call.request)


def mutate_deployed_model(context: Context, call: Call) -> Json:
    """Check the new replica counts, and leave the work to a controller."""
    row, wanted = _endpoint(context, call), call.request["deployedModel"]
    model_id = str(wanted.get("id", ""))
    _require_deployed(row, model_id)
    mask = call.request.get("updateMask", "")
    paths = sorted({path for path in mask.split(",") if path} or {"dedicatedResources"})
    if any(not path.startswith(("dedicatedResources", "automaticResources")) for path in paths):
        raise invalid(
            f"updateMask is {mask!r}; of a deployed model the replica counts in dedicatedResources can change."
        )
    current = next(each for each in row.message["deployedModels"] if each["id"] == model_id)
    changed = {"id": model_id, **_resources(current, wanted, paths)}
    _check_resources(context, row.name, {**current, **changed})
    metadata = "MutateDeployedModelOperationMetadata"
    request = {**call.request, "deployedModel": changed}
    return operations.start(context, call, metadata, "mutateDeployedModel", row.name, request)


def _resources(current: Json, wanted: Json, paths: Sequence[str]) -> Json:
    """The resources as they are to be: those of the mask's paths anew, the others as they were."""
    kind = "automaticResources" if "automaticResources" in current else "dedicatedResources"
    resources, given = dict(current.get(kind, {})), wanted.get(kind, {})
    for path in paths:
        field = path.partition(".")[2].partition(".")[0]
        names = [field] if field else given
        resources = {k: v for k, v in resources.items() if k not in names} | {k: given[k] for k in names if k in given}
    if int(resources.get("minReplicaCount") or 0) and "minReplicaCount" in given:  # it does not scale to zero any more
        resources = {k: v for k, v in resources.items() if k not in ZERO or k in given}
    return {kind: resources}


def update_endpoint(context: Context, call: Call) -> Json:
    """Update, and answer once the gateway follows the new traffic split: the next prediction is sent by it."""
    updated = crud.handlers(ENDPOINT)["EndpointService.UpdateEndpoint"](context, call)
    deadline = time.monotonic() + ROUTED_S
    while not _is_routed(context.store.get(call.request["endpoint"]["name"])) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return updated


def _is_routed(row: Resource) -> bool:
    """Whether the traffic split in effect, which the controllers note, is the endpoint's own."""
    wanted: Json = row.message.get("trafficSplit", {})
    return not row.status.get("deployed") or wanted == row.status.get("routed", {})


HANDLERS: Handlers = {
    **crud.handlers(ENDPOINT),
    "EndpointService.UpdateEndpoint": update_endpoint,
    "EndpointService.DeployModel": deploy_model,
    "EndpointService.UndeployModel": undeploy_model,
    "EndpointService.MutateDeployedModel": mutate_deployed_model,
}
