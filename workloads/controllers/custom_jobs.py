"""Custom jobs: what their containers are. The rest is jobs.py."""

from collections.abc import Mapping
from typing import Any

from workloads.controllers import jobs
from workloads.controllers.platform import Json, Platform, duration_s
from workloads.plans import environment, secrets, training
from workloads.plans.container import Group, Resources
from workloads.plans.errors import InvalidWish
from workloads.store import Aborted, NotFound, Resource
from workloads.store.sealing import Unsealable


class CustomJobs:
    """The kind of job that customJobs are."""

    collection = "customJobs"
    meter_s = jobs.METER_S

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def plan(self, row: Resource, attempt: int) -> list[Group]:
        """A group per worker pool, with a token of the job's own."""
        spec, config = row.message["jobSpec"], self._platform.config
        lifetime = duration_s(self.scheduling(row.message).get("timeout"), jobs.DEFAULT_TIMEOUT_S) + jobs.TOKEN_MARGIN_S
        token = self._platform.token(row.name, training.buckets(spec, config), lifetime)
        keys = environment.s3_files(token, *self._platform.s3_keys(token))
        return training.plan(row.name, spec, attempt, token, config, keys, self._values(spec))

    def _values(self, spec: Json) -> dict[secrets.Reference, str]:
        """Of the secrets that the job refers to; asked anew for each attempt, so "latest" is the latest.

        Raises:
            InvalidWish: one is gone, disabled or not to be opened.
        """
        try:
            return {each: self._access(each) for each in secrets.of_job(spec)}
        except (NotFound, Aborted, Unsealable, UnicodeDecodeError) as error:
            raise InvalidWish(f"a secret that it refers to can't be had: {error}") from error

    def _access(self, wanted: secrets.Reference) -> str:
        _, value = self._platform.store.secrets.access(wanted.name, wanted.version)
        return value.decode("utf-8")

    def limits(self, message: Json) -> list[Resources]:
        """Of each replica."""
        return training.limits(message["jobSpec"], self._platform.config)

    def price_per_hour(self, message: Json) -> float:
        """Of all replicas."""
        return training.price_per_hour(message["jobSpec"], self._platform.config)

    def scheduling(self, message: Json) -> Mapping[str, Any]:
        """The job's own."""
        found: Mapping[str, Any] = message["jobSpec"].get("scheduling") or {}
        return found

    def progress(self, row: Resource) -> Json:
        """A custom job's message doesn't say."""
        return {}

    def result(self, row: Resource, state: str) -> Json:
        """A custom job's message says nothing of what it made."""
        return {}
