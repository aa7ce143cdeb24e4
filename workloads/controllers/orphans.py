"""Removes groups of ours that no row wants any more: left by a kill between two steps, or of deleted resources."""

from workloads import contract
from workloads.controllers import jobs
from workloads.controllers.platform import Platform
from workloads.store import NotFound
from workloads.store.resource import collection_of

JOBS = ("customJobs", "batchPredictionJobs")


class Orphans:
    """A chore of every sweep."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def sweep(self) -> None:
        """Remove them. Containers are listed before rows are read: what a row has started since is not in the list."""
        labels = {contract.LABEL_RESOURCE: "", contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS}
        groups = {each.group: each.labels[contract.LABEL_RESOURCE] for each in self._platform.engine.find(labels)}
        for group, resource in groups.items():
            if not self._is_wanted(resource):
                self._platform.engine.remove(group)

    def _is_wanted(self, resource: str) -> bool:
        """Whether the resource is there and, for a job, not over; endpoints look after their own."""
        try:
            row = self._platform.store.get(resource)
        except NotFound:
            return False
        return collection_of(resource) not in JOBS or row.state in jobs.ACTIVE
