"""Kubernetes, 1.31 and newer, through the official client: a group is an Indexed Job or a Deployment. See open().

What runs is read from caches that watches keep current, never polled; after each of its own changes the engine waits
until the caches have it, so what it finds is never older than what it did.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from workloads.controllers.engines import kubernetes_logs as logs
from workloads.controllers.engines import kubernetes_objects as objects
from workloads.controllers.engines import kubernetes_state as state
from workloads.controllers.engines.base import Container, LogEntry, Refused, Unavailable
from workloads.controllers.engines.kubernetes_api import (
    DEPLOYMENTS,
    JOBS,
    PODS,
    SECRETS,
    SERVICES,
    Api,
    Conflict,
    Kind,
    NotFound,
)  # fmt: skip
from workloads.controllers.engines.kubernetes_cache import Cache
from workloads.controllers.engines.kubernetes_pods import START_ERRORS, Pod
from workloads.controllers.engines.kubernetes_seen import Seen
from workloads.plans.container import Group
from workloads.plans.pods import Json

REMOVE_S: Final = 90.0
LOOK_S: Final = 0.2  # at several caches together, of which only one wakes
STOP_MARGIN_S: Final = 30.0  # beside the grace: for the kubelet to notice and to tell


class KubernetesEngine:
    """Groups of one stack in its namespace.

    Args:
        has_bucket: whether the object store has a bucket of this name. Only folders that are there are mounted: the
            kubelet makes a subPath's folder if it is missing, and a folder is a bucket.
    """

    supervises = True

    def __init__(self, api: Api, place: objects.Place, has_bucket: Callable[[str], bool]) -> None:
        self._api, self._place, self._has_bucket = api, place, has_bucket
        self._seen = Seen(api, place)

    def close(self) -> None:
        """Stop watching."""
        self._seen.close()

    def prepare(self) -> None:
        """Nothing: a Job's pod gets its namespaces when it has a node."""

    def ensure_image(self, image: str) -> None:
        """Nothing: the nodes pull what they run, and `find` tells if they can't."""

    def run(self, group: Group) -> None:
        """Have the group's Job; or its Deployment with as many replicas, and its Service."""
        objects.check_subpaths(group.template)
        group = objects.with_mounts_of(group, frozenset(filter(self._has_bucket, _folders(group))))
        if group.template.restart == "always":
            self._serve(group)
        else:
            self._have(self._seen.jobs, JOBS, objects.job(group, self._place), group)

    def refresh(self, group: Group) -> None:
        """A new Secret, which the kubelet brings into the pods within a minute or two; a patch would let it be read."""
        owner = self._seen.deployments.get(group.name)
        if owner is None:
            return
        wanted = objects.secret(group, self._place, {**objects.deployment(group, self._place), **owner})
        if wanted:
            self._replace_secret(wanted)

    def _replace_secret(self, secret: Json) -> None:
        self._api.delete(SECRETS, secret["metadata"]["name"])
        self._api.create(SECRETS, secret)

    def renew(self, group: Group, index: int) -> bool:
        """Only the one of a Job that has no other: an index is tried once."""
        if group.replicas > 1:
            return False
        self.remove(group.name)
        self.run(group)
        return True

    def _serve(self, group: Group) -> None:
        deployment = self._have(self._seen.deployments, DEPLOYMENTS, objects.deployment(group, self._place), group)
        if service := objects.service(group, self._place, deployment):
            with suppress(Conflict):
                self._api.create(SERVICES, service)
        if deployment["spec"]["replicas"] != group.replicas:
            self._scale(group.name, group.replicas)

    def _scale(self, name: str, replicas: int) -> None:
        answer = self._api.patch(DEPLOYMENTS, f"{name}/scale", {"spec": {"replicas": replicas}})
        self._seen.deployments.reach(answer["metadata"]["resourceVersion"])

    def _have(self, cache: Cache, kind: Kind, manifest: Json, group: Group) -> Json:
        """The owner, and its files."""
        try:
            owner, is_new = self._api.create(kind, manifest), True
        except Conflict:
            owner, is_new = self._known(cache, group.name), False
        owner = {**manifest, **owner}  # those in a list are told without their kind
        if secret := objects.secret(group, self._place, owner):
            try:
                self._api.create(SECRETS, secret)
            except Conflict:
                if is_new:  # left by an owner of the same name that somebody else removed: it is about to be collected
                    self._replace_secret(secret)
        cache.reach(owner["metadata"]["resourceVersion"])
        return owner

    def _known(self, cache: Cache, name: str) -> Json:
        cache.wait(lambda: cache.get(name) is not None, STOP_MARGIN_S)
        found = cache.get(name)
        if found is None or "deletionTimestamp" in found["metadata"]:
            raise Unavailable(f"{name} is still being removed")
        return found

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """The stack's containers that carry these labels."""
        return [each for each in self._seen.containers() if state.matches(each, labels)]

    def tidy(self) -> None:
        """Nothing: NetworkPolicies go by labels, and the cluster removes what its owner leaves."""

    def watch(self, on_change: Callable[[str], None]) -> None:
        """From now on call with the resource of every pod, Job and Deployment that changes."""
        self._seen.listeners.append(on_change)

    def cpu_seconds(self, group: str) -> dict[str, float]:
        """Not told: a cluster need not have the metrics API, and this Role may not ask the kubelets."""
        return {}

    def follow_logs(self, container: str) -> Iterator[LogEntry]:
        """Every line from the container's first on, until it ends for good."""
        pod = self._seen.pod(container)
        if pod is not None:
            name = pod.name
            yield from logs.follow(
                lambda: self._log_state(container, name), lambda **query: self._api.log(name, **query)
            )

    def _log_state(self, container: str, name: str) -> logs.State:
        pod = self._seen.pod(container)
        if pod is None or pod.name != name:
            return "gone"
        if pod.end(datetime.now(UTC)):
            return "over"
        return "live" if pod.is_running else "waiting"

    def tail(self, container: str, lines: int) -> list[str]:
        """Its last lines, of the run before too if it has just been restarted."""
        pod = self._seen.pod(container)
        if pod is None:
            return []
        ended = pod.container.get("state", {}).get("terminated") or {}
        if ended.get("reason") in START_ERRORS:
            return str(ended.get("message", "")).splitlines()[-lines:]
        now = self._last_lines(pod.name, lines)
        if len(now) < lines and pod.container.get("restartCount"):
            return [*self._last_lines(pod.name, lines - len(now), previous="true"), *now]
        return now

    def _last_lines(self, pod: str, lines: int, **query: str) -> list[str]:
        try:
            text = b"".join(self._api.log(pod, tailLines=str(lines), **query))
        except (NotFound, Refused):  # gone, or never started
            return []
        return text.decode("utf-8", "replace").splitlines()[-lines:]

    def written_mib(self, container: str) -> int | None:
        """The kubelet evicts who writes more than its limit."""
        return None

    def stop(self, group: str, grace_s: int) -> None:
        """End every container, and leave the ended pods of a Job there; a Deployment has no replicas from then on."""
        if self._seen.deployments.get(group):
            with suppress(NotFound):
                self._scale(group, 0)
            self._seen.pods.wait(lambda: not self._seen.of(group), grace_s + STOP_MARGIN_S)
        elif self._seen.jobs.get(group):
            self._stop_job(group, grace_s)

    def _stop_job(self, name: str, grace_s: int) -> None:
        """A deadline that has passed ends a pod and keeps it, with its log and exit code; suspending deletes pods.

        The kubelet gives a pod the grace that it was made with (ContainerSpec.stop_grace_s), whatever this one is.
        """
        pods = self._seen.living(name)
        for pod in pods:
            if pod.status.get("startTime"):  # else no node has it, and nobody would heed the deadline
                with suppress(NotFound):
                    self._api.patch(PODS, pod.name, {"spec": {"activeDeadlineSeconds": 1}})
        longest = max([grace_s, *(pod.grace_s for pod in pods)])
        self._seen.pods.wait(
            lambda: not any(pod.is_running for pod in self._seen.living(name)), longest + STOP_MARGIN_S
        )
        with suppress(NotFound):
            job = self._api.patch(JOBS, name, {"spec": {"suspend": True}})  # so no more are made
            self._seen.jobs.reach(job["metadata"]["resourceVersion"])
        self._seen.pods.wait(lambda: not self._seen.living(name), longest + STOP_MARGIN_S)

    def restart(self, container: str) -> None:
        """Delete a server's pod; its Deployment makes another one."""
        pod = self._seen.pod(container)
        if pod and (left := self._api.delete(PODS, pod.name)):
            self._seen.pods.reach(left["metadata"]["resourceVersion"])

    def remove(self, group: str) -> None:
        """Remove the Job or Deployment with all that it owns; whatever still runs gets one second."""
        for kind in (JOBS, DEPLOYMENTS):
            self._api.delete(kind, group, propagationPolicy="Foreground")
        self._api.delete(SECRETS, objects.secret_name(group))
        self._api.delete(SERVICES, group)
        deadline = time.monotonic() + REMOVE_S
        hurried: set[str] = set()
        while not self._is_gone(group):
            self._hurry(self._seen.of(group), hurried)
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{group} is still being removed: {[pod.name for pod in self._seen.of(group)]} are left"
                )
            with suppress(Unavailable):
                self._seen.pods.wait(lambda: self._is_gone(group), LOOK_S)

    def _is_gone(self, group: str) -> bool:
        return not (self._seen.of(group) or self._seen.jobs.get(group) or self._seen.deployments.get(group))

    def _hurry(self, pods: Iterable[Pod], hurried: set[str]) -> None:
        for pod in pods:
            grace = 0 if pod.is_overdue(datetime.now(UTC)) else 1  # whose node is lost, nobody there would ever confirm
            if f"{pod.name} {grace}" not in hurried:
                hurried.add(f"{pod.name} {grace}")
                self._api.delete(PODS, pod.name, gracePeriodSeconds=grace)


def _folders(group: Group) -> list[str]:
    return [mount.subpath for mount in group.template.mounts if mount.subpath]
