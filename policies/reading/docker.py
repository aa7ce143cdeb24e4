"""pulumi_docker's resources, read."""

from contextlib import suppress
from typing import Final

from pulumi_policy.proxy import UnknownValueError

from policies.reading.workloads import DOCKER, Container, Limits, Properties, Workload

CONTAINER: Final = "docker:index/container:Container"
VOLUME: Final = "docker:index/volume:Volume"
NETWORK: Final = "docker:index/network:Network"
LABELLED: Final = (CONTAINER, VOLUME, NETWORK)
ONCE: Final = ("", "no", "on-failure")  # restart policies of what may end


def labels_of(props: Properties) -> dict[str, str]:
    """A resource's labels."""
    return {each["label"]: each["value"] for each in props.get("labels") or ()}


def workload(props: Properties) -> Workload:
    """The container of a Container resource."""
    limits = Limits(float(props.get("cpus") or 0), float(props.get("memory") or 0), _gpus(props))
    container = Container(
        place="",
        props=props,
        image=str(props.get("image") or ""),
        environment={name: text for name, _, text in (each.partition("=") for each in props.get("envs") or ())},
        arguments=_arguments(props),
        read_only_root=bool(props.get("readOnly")),
        limits=limits,
    )
    return Workload(
        backend=DOCKER,
        spec=props,
        labels=labels_of(props),
        containers=(container,),
        lasting=str(props.get("restart") or "") not in ONCE,
        takes=limits,
    )


def _arguments(props: Properties) -> list[str]:
    """What the image is told; where it is told nothing, a preview can't know what it has of its own."""
    found: list[str] = []
    for name in ("entrypoints", "command"):
        with suppress(UnknownValueError):
            found += props.get(name) or ()
    return found


def _gpus(props: Properties) -> int:
    """GPUs asked for by count; a request for all of them (-1) is at least one."""
    counts = (int(each.get("count") or 0) for each in props.get("deviceRequests") or ())
    return sum(max(1, count) for count in counts) or int(bool(props.get("gpus")))
