"""All methods that this stack serves, by name. A new module of methods is added here, and COVERAGE.md follows."""

from typing import Final

from workloads.api import operations
from workloads.api.handlers import Handlers
from workloads.api.resources import (
    batch_prediction_jobs,
    custom_jobs,
    endpoints,
    models,
    predictions,
    training_pipelines,
)

HANDLERS: Final[Handlers] = {
    **operations.HANDLERS,
    **custom_jobs.HANDLERS,
    **training_pipelines.HANDLERS,
    **endpoints.HANDLERS,
    **predictions.HANDLERS,
    **batch_prediction_jobs.HANDLERS,
    **models.HANDLERS,
}
