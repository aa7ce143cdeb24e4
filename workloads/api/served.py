"""All methods that this stack serves, by name. A new module of methods is added here, and COVERAGE.md follows."""

from collections.abc import Mapping
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

INSTEAD: Final[Mapping[str, str]] = {**models.INSTEAD}
HANDLERS: Final[Handlers] = {
    **operations.HANDLERS,
    **custom_jobs.HANDLERS,
    **training_pipelines.HANDLERS,
    **endpoints.HANDLERS,
    **predictions.HANDLERS,
    **batch_prediction_jobs.HANDLERS,
    **models.HANDLERS,
}
