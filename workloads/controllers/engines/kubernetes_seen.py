"""What watches have told of a stack's pods, Jobs and Deployments: the reading half of kubernetes.py."""

from collections.abc import Callable
from datetime import UTC, datetime

from workloads import contract
from workloads.controllers.engines import kubernetes_objects as objects
from workloads.controllers.engines import kubernetes_state as state
from workloads.controllers.engines.base import Container
from workloads.controllers.engines.kubernetes_api import DEPLOYMENTS, EVENTS, JOBS, PODS, Api
from workloads.controllers.engines.kubernetes_cache import Cache, without_managed_fields
from workloads.controllers.engines.kubernetes_pods import Pod
from workloads.plans.pods import Json


class Seen:
    """All that works for a resource of the stack.

    Attributes:
        pods, jobs, deployments: one cache per kind.
        listeners: called with the resource of whatever changes.
    """

    def __init__(self, api: Api, place: objects.Place) -> None:
        self._api, self._place = api, place
        self.listeners: list[Callable[[str], None]] = []
        ours = {"labelSelector": f"{contract.LABEL_STACK}={place.stack},{contract.LABEL_RESOURCE}"}
        self.pods, self.jobs, self.deployments = (
            Cache(api, kind, ours, without_managed_fields, self._tell) for kind in (PODS, JOBS, DEPLOYMENTS)
        )
        warnings = {"fieldSelector": "type=Warning"}
        self._events = Cache(api, EVENTS, warnings, without_managed_fields, self._tell_of_event)

    def close(self) -> None:
        """Stop watching."""
        for cache in (self.pods, self.jobs, self.deployments, self._events):
            cache.close()

    def containers(self) -> list[Container]:
        """All containers, those that are still to be made among them."""
        jobs, deployments, pods = self.jobs.objects(), self.deployments.objects(), self.pods.objects()
        for job in jobs:  # of pods that the Job tells the end of, but the cache does not have: gone, or a moment late?
            if state.finished_unseen(job, pods):
                ours = state.group_of(job)
                pods = [*(pod for pod in pods if state.group_of(pod) != ours), *self._listed(ours)]
        return state.containers(jobs, deployments, pods, self._warning, datetime.now(UTC))

    def pod(self, container: str) -> Pod | None:
        """The pod of a container: by its own name, or by its group's and its number."""
        if own := self.pods.get(container):
            return Pod(own)
        group, _, index = container.rpartition("-")
        for known in (self.pods.objects, lambda: self._listed(group)):  # the server's word, should the cache be late
            of_index = [each for each in known() if state.group_of(each) == group and state.index_of(each) == index]
            if of_index:
                return Pod(max(of_index, key=lambda each: str(each["metadata"]["creationTimestamp"])))
        return None

    def of(self, group: str) -> list[Pod]:
        """The group's pods."""
        return [Pod(pod) for pod in self.pods.objects() if state.group_of(pod) == group]

    def living(self, group: str) -> list[Pod]:
        """Those of them that have not ended."""
        now = datetime.now(UTC)
        return [pod for pod in self.of(group) if pod.end(now) is None]

    def _listed(self, group: str) -> list[Json]:
        """The group's pods as the server has them."""
        wanted = objects.selector(group, self._place)
        query = ",".join(f"{key}={value}" for key, value in wanted.items())
        found: list[Json] = self._api.list(PODS, labelSelector=query)["items"]
        return found

    def _warning(self, about: Json) -> str:
        """The last warning about an object."""
        uid = about["metadata"]["uid"]
        said = [each for each in self._events.objects() if each["involvedObject"].get("uid") == uid]
        last = max(said, key=_event_time, default=None)
        return f"{last['reason']}: {last['message']}" if last else ""

    def _tell(self, found: Json) -> None:
        resource = state.labels(found).get(contract.LABEL_RESOURCE)
        if resource:
            for on_change in list(self.listeners):
                on_change(resource)

    def _tell_of_event(self, event: Json) -> None:
        caches = {"Pod": self.pods, "Job": self.jobs}
        cache = caches.get(event["involvedObject"].get("kind", ""))
        about = cache.get(event["involvedObject"]["name"]) if cache else None
        if about:
            self._tell(about)


def _event_time(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"])
