"""What Kubernetes tells of groups, as the protocol's Containers. Pure: every case can be tested."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from workloads import contract
from workloads.controllers.engines.base import Container
from workloads.controllers.engines.kubernetes_objects import INDEX_LABEL, INDEX_REFERENCE
from workloads.controllers.engines.kubernetes_pods import KILLED, STOPPED, Pod
from workloads.plans.container import container_name
from workloads.plans.pods import Json

# What a Job's controller is told when asking again is of no use; a quota may be free later.
NEVER_MADE: Final = ("violates PodSecurity", "is invalid", "Invalid value", "no PriorityClass")
Words = Callable[[Json], str]  # the last warning about an object, as "<reason>: <message>", or ""


def labels(found: Json, index: str = "") -> dict[str, str]:
    """An object's labels with their whole values, which are in annotations where they are no label's.

    One that tells a replica's number is missing where there is none: servers are not numbered.
    """
    metadata = found["metadata"]
    ours = {key: text for key, text in metadata.get("annotations", {}).items() if key.startswith("cairn.")}
    known = {key: text for key, text in ours.items() if index or INDEX_REFERENCE not in text}
    whole = {key: text.replace(INDEX_REFERENCE, index) for key, text in known.items()}
    return {**metadata.get("labels", {}), **whole}


def group_of(found: Json) -> str:
    """The group that an object belongs to."""
    return str(found["metadata"]["labels"].get(contract.LABEL_NAME, ""))


def index_of(pod: Json) -> str:
    """The number of a Job's pod; "" of any other's."""
    return str(pod["metadata"]["labels"].get(INDEX_LABEL, ""))


def containers(
    jobs: Iterable[Json], deployments: Iterable[Json], pods: Iterable[Json], words: Words, now: datetime
) -> list[Container]:
    """All groups' containers, those that are still to be made among them."""
    by_group: dict[str, list[Json]] = {}
    for pod in pods:
        by_group.setdefault(group_of(pod), []).append(pod)
    found = [each for job in jobs for each in _of_job(job, by_group.pop(group_of(job), []), words, now)]
    for deployment in deployments:
        found += _of_deployment(deployment, by_group.pop(group_of(deployment), []), words, now)
    rest = [pod for pods_of_one in by_group.values() for pod in pods_of_one]  # whose owner has just been removed
    return [*found, *(_container(pod, words, now) for pod in rest)]


def matches(container: Container, wanted: Mapping[str, str]) -> bool:
    """Whether it carries these labels; an empty value asks for any value."""
    return all(key in container.labels and value in ("", container.labels[key]) for key, value in wanted.items())


def finished_unseen(job: Json, pods: Iterable[Json]) -> bool:
    """Whether the Job tells of the end of a pod that is not among these: gone, or not yet heard of."""
    seen = {index_of(pod) for pod in pods if group_of(pod) == group_of(job)}
    return any(str(index) not in seen and _fate(job, index) is not None for index in range(_replicas(job)))


def _of_job(job: Json, pods: Sequence[Json], words: Words, now: datetime) -> list[Container]:
    newest = {index_of(pod): pod for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))}
    return [
        _container(newest[str(index)], words, now) if str(index) in newest else _absent(job, index, words)
        for index in range(_replicas(job))
    ]


def _replicas(job: Json) -> int:
    return int(job["spec"]["completions"])


def _absent(job: Json, index: int, words: Words) -> Container:
    """A container without a pod: its Job tells why."""
    name, group = container_name(group_of(job), index), group_of(job)
    code = _fate(job, index)
    if code is not None:
        return Container(name, "exited", labels(job, str(index)), group, exit_code=code)
    said = words(job)
    return Container(name, "created", labels(job, str(index)), group, problem=said, fatal=_is_fatal(said))


def _is_fatal(said: str) -> bool:
    return any(each in said for each in NEVER_MADE)


def _fate(job: Json, index: int) -> int | None:
    """How a container whose pod is gone has ended; None: it has yet to be made."""
    status = job.get("status", {})
    if index in _indexes(status.get("completedIndexes", "")):
        return 0
    over = any(each["type"] in ("Failed", "Complete", "FailureTarget") for each in _true_conditions(status))
    if index in _indexes(status.get("failedIndexes", "")) or over:
        return KILLED  # had it failed by its own doing, its pod would still be there
    return STOPPED if job["spec"].get("suspend") else None


def _true_conditions(status: Json) -> list[Json]:
    return [each for each in status.get("conditions") or [] if each["status"] == "True"]


def _indexes(text: str) -> frozenset[int]:
    """The numbers in "1,3-5"."""
    spans = [part.split("-") for part in text.split(",") if part]
    return frozenset(index for span in spans for index in range(int(span[0]), int(span[-1]) + 1))


def _of_deployment(deployment: Json, pods: Sequence[Json], words: Words, now: datetime) -> list[Container]:
    found = [_container(pod, words, now) for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    group, wanted = group_of(deployment), int(deployment["spec"]["replicas"])
    if wanted == 0 and not found:  # stopped, and not yet removed
        code, name = STOPPED, container_name(group, 0)
        return [Container(name, "exited", labels(deployment), group, exit_code=code, ready=False)]
    said = _deployment_words(deployment)
    missing = [
        Container(
            container_name(group, index), "created", labels(deployment), group,
            ready=False, problem=said, fatal=_is_fatal(said),
        )
        for index in range(len(found), wanted)
    ]  # fmt: skip
    return [*found, *missing]


def _deployment_words(deployment: Json) -> str:
    failures = [each for each in _true_conditions(deployment.get("status", {})) if each["type"] == "ReplicaFailure"]
    return f"{failures[0]['reason']}: {failures[0]['message']}" if failures else ""


def _container(raw: Json, words: Words, now: datetime) -> Container:
    pod, index = Pod(raw), index_of(raw)
    group = group_of(raw)
    name = container_name(group, int(index)) if index else pod.name
    known = labels(raw, index)
    ready = pod.is_ready if pod.restarts_by_itself else None
    if end := pod.end(now):
        return Container(
            name, "exited", known, group, exit_code=end.code, out_of_memory=end.out_of_memory, exceeded=end.exceeded,
            ready=ready, problem=end.words, fatal=bool(end.words), created=pod.created, started=pod.started,
        )  # fmt: skip
    if pod.is_running:
        restarts, address = int(pod.container.get("restartCount", 0)), str(pod.status.get("podIP", ""))
        return Container(
            name, "running", known, group, restarts=restarts, address=address, ready=ready,
            created=pod.created, started=pod.started,
        )  # fmt: skip
    trouble = pod.trouble(words(raw), now)
    return Container(name, "created", known, group, ready=ready, problem=trouble.words, fatal=trouble.fatal)
