"""Training pipelines with a custom task: a custom job, and then the model that it made into the registry."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from workloads import registry
from workloads.controllers import jobs, outcome
from workloads.controllers.platform import Json, Platform, error, timestamp
from workloads.plans import pipelines
from workloads.plans.errors import InvalidWish
from workloads.store import AlreadyExists, NotFound, Resource

QUEUED: Final = "PIPELINE_STATE_QUEUED"
PENDING: Final = "PIPELINE_STATE_PENDING"
RUNNING: Final = "PIPELINE_STATE_RUNNING"
CANCELLING: Final = "PIPELINE_STATE_CANCELLING"
SUCCEEDED: Final = "PIPELINE_STATE_SUCCEEDED"
FAILED: Final = "PIPELINE_STATE_FAILED"
CANCELLED: Final = "PIPELINE_STATE_CANCELLED"
ACTIVE: Final = (QUEUED, PENDING, RUNNING, CANCELLING)
POLL_S: Final = 1.0


class TrainingPipelines:
    """Reconciles trainingPipelines."""

    collection = "trainingPipelines"
    states: Sequence[str] | None = ACTIVE

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def reconcile(self, row: Resource) -> float | None:
        """Bring the pipeline as far as it goes now."""
        if row.state not in ACTIVE:
            return None
        if "job" not in row.status:
            if row.state == CANCELLING:
                return self._end(row, CANCELLED, error(outcome.CODE_CANCELLED, "The pipeline was cancelled."), {})
            row = self._name_job(row)
        try:
            job = self._job(row)
        except InvalidWish as wrong:
            return self._end(row, FAILED, error(outcome.CODE_INVALID, f"The pipeline can't be started: {wrong}"), {})
        except NotFound:
            text = f"{row.status['job']}, which the pipeline waited for, was deleted."
            return self._end(row, FAILED, error(outcome.CODE_ABORTED, text), {})
        return self._follow(row, job)

    def _name_job(self, row: Resource) -> Resource:
        """The job's name is in the row before the job is made: a restart makes the same one, not another."""
        name = f"{row.name.rsplit('/', 2)[0]}/customJobs/{self._platform.store.new_id()}"

        def named(message: Json, status: Json) -> None:
            status.setdefault("job", name)

        return self._platform.store.update(row.name, named)

    def _job(self, row: Resource) -> Resource:
        name = row.status["job"]
        if row.status.get("job_made"):
            return self._platform.store.get(name)
        with suppress(AlreadyExists):  # made just before a restart
            self._platform.store.create(name, pipelines.custom_job(row.message))
        job = self._platform.store.get(name)

        def made(message: Json, status: Json) -> None:
            status["job_made"] = True
            message["trainingTaskMetadata"] = {"backingCustomJob": name}
            if message["state"] == QUEUED:
                message.update(state=PENDING)

        self._platform.store.update(row.name, made)
        return job

    def _follow(self, row: Resource, job: Resource) -> float | None:
        """The pipeline's state after its job's."""
        if job.state == jobs.SUCCEEDED:
            return self._succeed(row, job)
        if job.state in (jobs.FAILED, jobs.CANCELLED):
            state = CANCELLED if job.state == jobs.CANCELLED else FAILED
            return self._end(row, state, job.message.get("error"), job.message)
        if row.state == CANCELLING:
            self._platform.store.update(job.name, _cancel)
        elif job.state == jobs.RUNNING:
            self._platform.store.update(row.name, lambda message, _: _run(message, job.message))
        return POLL_S

    def _succeed(self, row: Resource, job: Resource) -> float | None:
        """Upload the model, once."""
        model = row.message.get("modelToUpload")
        if not model:
            return self._end(row, SUCCEEDED, None, job.message)
        wanted = pipelines.model_to_upload(row.message, job.message)
        model_id, parent = row.message.get("modelId", ""), row.message.get("parentModel", "")
        try:
            uploaded = self._platform.models.upload(wanted, model_id=model_id, parent_model=parent, key=row.name)
        except (registry.NotFound, registry.AlreadyExists, registry.Invalid) as wrong:
            text = f"The job succeeded, but its model can't be uploaded: {wrong}"
            return self._end(row, FAILED, error(outcome.CODE_INVALID, text), job.message)
        ids = {"name": uploaded["name"].split("@")[0], "versionId": uploaded["versionId"]}
        model = {**model, **ids, "artifactUri": wanted.get("artifactUri", "")}
        return self._end(row, SUCCEEDED, None, {**job.message, "modelToUpload": model})

    def _end(self, row: Resource, state: str, status: Mapping[str, Any] | None, job: Json) -> float | None:
        now = timestamp(self._platform.now())
        kept = {key: job[key] for key in ("startTime", "modelToUpload") if key in job}

        def close(message: Json, _: Json) -> None:
            if message["state"] in ACTIVE:
                message.update(state=state, endTime=job.get("endTime", now), **kept)
                if status:
                    message["error"] = status

        self._platform.store.update(row.name, close)
        return None


def _run(message: Json, job: Json) -> None:
    if message["state"] in (QUEUED, PENDING):
        message.update(state=RUNNING, startTime=job["startTime"])


def _cancel(message: Json, _: Json) -> None:
    if message["state"] in (jobs.QUEUED, jobs.PENDING, jobs.RUNNING):
        message["state"] = jobs.CANCELLING
