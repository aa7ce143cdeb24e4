"""Kubernetes' security contexts: a pod's says it for all its containers, a container's for itself, and overrides it."""

from collections.abc import Iterator
from typing import Any, Final

from policies.reading.kubernetes import section
from policies.reading.workloads import Properties, Workload

CONTEXT: Final = "securityContext"


def stated(pod: Workload, *path: str) -> Iterator[tuple[str, Any]]:
    """Every place of the pod that states the setting, in front of a problem, and what it states."""
    places: list[tuple[str, Properties]] = [("the pod ", pod.spec)]
    places += [(each.place, each.props) for each in pod.containers]
    for place, props in places:
        value = _value(props, path)
        if value is not None:
            yield place, value


def silent(pod: Workload, *path: str) -> Iterator[str]:
    """Every container for which neither it nor the pod states the setting."""
    if _value(pod.spec, path) is None:
        yield from (each.place for each in pod.containers if _value(each.props, path) is None)


def _value(props: Properties, path: tuple[str, ...]) -> Any:
    return section(props, CONTEXT, *path[:-1]).get(path[-1])
