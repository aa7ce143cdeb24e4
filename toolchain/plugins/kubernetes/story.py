"""Why an object is not ready: what its conditions, its pods' containers and the events about them say.

Called while a resource waits (a line beside it) and when it gave up (the error).
"""

from collections.abc import Iterator
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import dig, name_of, namespace_of
from toolchain.plugins.kubernetes.readiness import POD

EVENT = Kind("", "v1", "Event")
# Every container passes through these; they are no problem.
STARTING = frozenset({"ContainerCreating", "PodInitializing"})
# Conditions whose being true is the bad news.
BAD = frozenset({"ReplicaFailure", "Failed", "FailureTarget", "NamespaceDeletionDiscoveryFailure"})
# Of namespaces that are being deleted: what keeps them.
REMAINING = frozenset({"NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure"})
# What nobody set is no reason for anything.
NEUTRAL = frozenset({"Complete", "SuccessCriteriaMet", "Suspended", "Terminating"})
LOG_LINES = 10
PODS_TOLD, EVENTS_TOLD = 3, 5
SEPARATOR = ": "


def short(cluster: Cluster, obj: Properties) -> str:
    """The first thing that is wrong, in a line; "" when nothing is known to be."""
    try:
        first = next((problem for pod in _pods(cluster, obj) for problem in pod_problems(pod)), "")
        told = first or next(_conditions(obj), "") or next(iter(_events(cluster, obj, [])), "")
    except ProviderError:
        return ""  # a role that may not list pods or events: the wait itself goes on
    return told.split("\n")[0]


def whole(cluster: Cluster, obj: Properties) -> str:
    """Everything worth knowing, a line each; says so when a role may not look."""
    lines = [] if obj.get("kind") == "Pod" else list(_conditions(obj))  # a pod's own are told below
    try:
        pods = [pod for pod in _pods(cluster, obj) if list(pod_problems(pod))]
        for pod in pods[:PODS_TOLD]:
            lines += [f"pod {name_of(pod)}: {problem}" for problem in pod_problems(pod)]
            lines += _logs(cluster, pod)
        if len(pods) > PODS_TOLD:
            lines.append(f"{len(pods) - PODS_TOLD} more pods are not ready")
        told = "\n".join(lines)
        lines += [event for event in _events(cluster, obj, pods) if event.partition(SEPARATOR)[2] not in told]
    except ProviderError as problem:
        lines.append(f"(pods and events could not be read: {problem})")
    return "\n".join(f"- {line}" for line in lines)


def pod_problems(pod: Properties) -> Iterator[str]:
    """What keeps a pod from being ready."""
    for condition in dig(pod, "status", "conditions", default=[]):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"{condition.get('reason')}: {condition.get('message')}"
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("message"):
        yield f"{status.get('reason', 'Failed')}: {status['message']}"
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        problem = _container_problem(container)
        if problem:
            yield f"container {container['name']}: {problem}"


def _container_problem(container: Properties) -> str:
    waiting, ended = dig(container, "state", "waiting"), dig(container, "state", "terminated")
    before = dig(container, "lastState", "terminated")
    if waiting:
        if waiting.get("reason") in STARTING:
            return ""
        how = f"; it {_ending(before)} before" if before else ""
        return f"{waiting.get('reason')}: {waiting.get('message', '')}".rstrip(": ") + how
    if ended:
        return "" if ended.get("exitCode") == 0 else f"it {_ending(ended)}"
    if container.get("ready") is False:
        how = f", {container['restartCount']} restarts; it {_ending(before)} before" if before else ""
        return f"it runs and is not ready{how}"
    return ""


def _ending(ended: Properties) -> str:
    reason = f" ({ended['reason']})" if ended.get("reason") not in (None, "Error") else ""
    message = f": {str(ended['message']).strip()}" if ended.get("message") else ""
    return f"ended with exit code {ended.get('exitCode')}{reason}{message}"


def _conditions(obj: Properties) -> Iterator[str]:
    for condition in dig(obj, "status", "conditions", default=[]):
        name, status, message = condition.get("type"), condition.get("status"), condition.get("message")
        bad = status == "True" if name in BAD | REMAINING else status == "False" and name not in NEUTRAL
        if bad and message:
            yield f"{name}: {condition.get('reason', '')}: {message}"


def _logs(cluster: Cluster, pod: Properties) -> Iterator[str]:
    """The last lines of each container that ended badly or is not ready."""
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        if not _container_problem(container) or not (container.get("containerID") or container.get("lastState")):
            continue
        path = f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/log"
        # While it waits to be started again, its own log is the next run's: empty.
        previous = (
            "true" if dig(container, "state", "waiting") and dig(container, "lastState", "terminated") else "false"
        )
        query = {"container": container["name"], "tailLines": str(LOG_LINES), "previous": previous}
        try:
            text = cluster.connection.text(path, query).strip()
        except ProviderError:
            continue  # the kubelet has removed it: its state has been told already
        if text:
            yield f"pod {name_of(pod)}, last log lines of {container['name']}:\n  " + text.replace("\n", "\n  ")


def _pods(cluster: Cluster, obj: Properties) -> list[Properties]:
    """The pods that an object makes or looks for, newest first."""
    if obj.get("kind") == "Pod":
        return [obj]
    selector = _selector(obj)
    if not selector or not namespace_of(obj):
        return []
    pods = cluster.all(POD, namespace_of(obj), labelSelector=selector)
    return sorted(pods, key=lambda pod: str(dig(pod, "metadata", "creationTimestamp", default="")), reverse=True)


def _selector(obj: Properties) -> str:
    selector = dig(obj, "spec", "selector")
    if not isinstance(selector, dict):
        return ""
    labels = (
        selector.get("matchLabels", {}) if "matchLabels" in selector or "matchExpressions" in selector else selector
    )
    parts = [f"{key}={value}" for key, value in labels.items()]
    return ",".join([*parts, *(_expression(one) for one in selector.get("matchExpressions") or [])])


def _expression(one: Any) -> str:
    key, values = one["key"], ",".join(one.get("values") or [])
    operators: dict[str, str] = {
        "In": f"{key} in ({values})",
        "NotIn": f"{key} notin ({values})",
        "Exists": key,
        "DoesNotExist": f"!{key}",
    }
    return operators[str(one["operator"])]


def _events(cluster: Cluster, obj: Properties, pods: list[Properties]) -> list[str]:
    """The newest warnings about an object, what it made (its ReplicaSets are named after it) and its pods."""
    names = {name_of(pod) for pod in pods}
    warnings = cluster.all(EVENT, namespace_of(obj) or "default", fieldSelector="type=Warning")
    about = [e for e in warnings if dig(e, "involvedObject", "name") in names or _concerns(e, obj)]
    about.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""), reverse=True)
    newest: dict[tuple[str, ...], str] = {}
    for event in about:
        involved = event["involvedObject"]
        key = (involved["kind"], involved["name"], str(event.get("reason")))
        newest.setdefault(key, f"event {' '.join(key)}{SEPARATOR}{event.get('message')}")
    return list(newest.values())[:EVENTS_TOLD]


def _concerns(event: Properties, obj: Properties) -> bool:
    about = event.get("involvedObject") or {}
    if about.get("uid") == dig(obj, "metadata", "uid"):
        return True
    made_by = {"ReplicaSet": "Deployment"}.get(str(about.get("kind")))
    return made_by == obj.get("kind") and str(about.get("name")).rpartition("-")[0] == name_of(obj)
