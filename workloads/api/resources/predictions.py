"""Predictions that reach the API: the gateway serves those of deployed models and sends only the others here."""

from workloads.api import crud
from workloads.api.errors import ApiError, precondition
from workloads.api.handlers import Call, Context, Handlers, Json
from workloads.api.resources.endpoints import ENDPOINT


def explain_absence(context: Context, call: Call) -> Json:
    """Say why the gateway has no server for this endpoint.

    Raises:
        ApiError: always: NOT_FOUND, FAILED_PRECONDITION or UNAVAILABLE.
    """
    row = crud.get(ENDPOINT, context, call.request["endpoint"])
    if not row.message.get("deployedModels"):
        raise precondition(f"{row.name} has no deployed model; call deployModel first and wait for its operation.")
    if not row.message.get("trafficSplit"):
        raise precondition(f"{row.name} sends no traffic to its deployed models; set its trafficSplit.")
    raise ApiError("UNAVAILABLE", f"{row.name} is not routed yet; try again in a few seconds.")


HANDLERS: Handlers = {
    "PredictionService.Predict": explain_absence,
    "PredictionService.RawPredict": explain_absence,
}
