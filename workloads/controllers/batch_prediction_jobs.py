"""Batch prediction jobs: a driver beside model servers of its own. The rest is jobs.py."""

from collections.abc import Mapping
from typing import Any, Final

from workloads.controllers import jobs, metering, outcome
from workloads.controllers.platform import Json, Platform, error
from workloads.plans import batch
from workloads.plans.container import Group, Resources
from workloads.plans.errors import InvalidWish
from workloads.plans.machines import Demand
from workloads.store import Resource

LAST_LINES: Final = 20  # of the driver's: below its last figures there may be an error


class BatchPredictionJobs:
    """The kind of job that batchPredictionJobs are."""

    collection = "batchPredictionJobs"
    meter_s = 5.0

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def _model(self, message: Json) -> Json:
        try:
            return self._platform.models.get(_versioned(message))
        except LookupError as gone:
            raise InvalidWish(f"the model is gone: {gone}") from gone

    def plan(self, row: Resource, attempt: int) -> list[Group]:
        """The driver and its servers, with a token that opens input, output and artefact."""
        model = self._model(row.message)
        lifetime = jobs.DEFAULT_TIMEOUT_S + jobs.TOKEN_MARGIN_S
        token = self._platform.token(row.name, batch.buckets(row.message, model), lifetime)
        directory = batch.output_directory(row.message, model, row.create_time)
        return batch.plan(row.name, row.message, model, directory, attempt, token, self._platform.config)

    def limits(self, message: Json) -> list[Resources]:
        """Of each server; the driver is the platform's own."""
        return batch.limits("job", message, self._model(message), self._platform.config)

    def price_per_hour(self, message: Json) -> float:
        """Of the servers."""
        return batch.price_per_hour("job", message, self._model(message), self._platform.config)

    def scheduling(self, message: Json) -> Mapping[str, Any]:
        """Vertex gives batch predictions none; their driver and servers begin again together."""
        return {"restartJobOnWorkerRestart": True}

    def progress(self, row: Resource) -> Json:
        """How far the driver is, by its last words, and what that has taken."""
        lines = self._platform.engine.tail(batch.driver(row.name, int(row.status.get("attempt", 0))), LAST_LINES)
        found = next(filter(None, map(batch.Result.from_line, reversed(lines))), None)
        return {"resourcesConsumed": {"replicaHours": self._replica_hours(row)}, **(_counts(found) if found else {})}

    def _replica_hours(self, row: Resource) -> float:
        """Of all attempts: what the servers held, in units of what one of them holds."""
        usage = metering.used(row, self._platform.now(), self._platform.config.currency)
        cores = Demand.from_json(row.status["reserved"]).cpu / batch.replicas(row.message)
        return round(usage["cpu_seconds"] / cores / 3600, 6) if cores else 0.0

    def result(self, row: Resource, state: str) -> Json:
        """Where the output is and what became of the instances, as the driver's last words tell."""
        if "startTime" not in row.message:
            return {}
        progress = self.progress(row)
        return {**progress, **(self._output(row) if "completionStats" in progress else {})}

    def _output(self, row: Resource) -> Json:
        try:
            directory = batch.output_directory(row.message, self._model(row.message), row.create_time)
        except InvalidWish:  # deleted while the job ran: the counts are still worth telling
            return {}
        return {"outputInfo": {"gcsOutputDirectory": directory}}


def _counts(found: batch.Result) -> Json:
    stats = {
        "successfulCount": str(found.successful_count),
        "failedCount": str(found.failed_count),
        "incompleteCount": str(found.incomplete_count),
    }
    failures = [error(outcome.CODE_INVALID, text) for text in found.errors]
    return {"completionStats": stats, **({"partialFailures": failures} if failures else {})}


def _versioned(message: Json) -> str:
    name, version = str(message["model"]), message.get("modelVersionId")
    return f"{name}@{version}" if version and "@" not in name else name
