"""A container shares nothing of the machine that it runs on: no privileges there, no namespaces, devices or folders."""

from collections.abc import Iterator
from typing import Final

from policies.reading.kubernetes import section
from policies.reading.workloads import Container, Properties, Workload
from policies.rules.contexts import CONTEXT, stated
from policies.rules.making import Config, each, workload_rule

NAMESPACES_OF_DOCKER: Final = ("networkMode", "pidMode", "ipcMode", "usernsMode", "cgroupnsMode")
NAMESPACES_OF_KUBERNETES: Final = ("hostNetwork", "hostPID", "hostIPC")
PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS: Final = ("postStart", "preStop")
HANDLERS: Final = ("httpGet", "tcpSocket")
# What Pod Security "restricted" leaves: nothing of the node, nothing that needs a driver inside the kubelet.
VOLUME_TYPES: Final = (
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
)


def apart_on_docker(container: Container, _: Config) -> Iterator[str]:
    """Neither privileged nor inside a namespace of the host, nor with a device of it."""
    if container.props.get("privileged"):
        yield "is privileged; remove privileged"
    for name in NAMESPACES_OF_DOCKER:
        if str(container.props.get(name) or "") == "host":
            yield f'shares a namespace of the host; remove {name}: "host" (services meet on their stack\'s networks)'
    if container.props.get("devices"):
        yield "gets a device of the host; remove devices (GPUs are asked for with gpus)"


def apart_on_kubernetes(pod: Workload, _: Config) -> Iterator[str]:
    """Neither privileged nor inside a namespace of the node, nor does a probe make the kubelet call elsewhere."""
    for name in NAMESPACES_OF_KUBERNETES:
        if pod.spec.get(name):
            yield f"the pod shares a namespace of the node; remove {name} (services meet by their Services)"
    for place, value in stated(pod, "privileged"):
        if value:
            yield f"{place}is privileged; remove {CONTEXT}.privileged"
    for place, value in stated(pod, "windowsOptions", "hostProcess"):
        if value:
            yield f"{place}is a process of the node; remove {CONTEXT}.windowsOptions.hostProcess"
    for container in pod.containers:
        for path in _hosts(container.props):
            yield f"{container.place}lets the kubelet call another host; remove {path}.host, it calls the pod by itself"


def _hosts(container: Properties) -> Iterator[str]:
    """Where a probe or a lifecycle hook names a host."""
    places = [*((probe,) for probe in PROBES), *(("lifecycle", hook) for hook in HOOKS)]
    for path in ((*place, handler) for place in places for handler in HANDLERS):
        if section(container, *path).get("host"):
            yield ".".join(path)


def volumes_of_cluster(pod: Workload, _: Config) -> Iterator[str]:
    """Every volume is the cluster's or the pod's own."""
    for volume in pod.spec.get("volumes") or ():
        for kind in volume:
            if kind == "hostPath" and volume[kind] is not None:
                remedy = f"remove the volume {volume['name']} or make it a persistentVolumeClaim"
                yield f"the pod mounts {volume[kind].get('path')} of its node; {remedy}"
            elif kind not in ("name", *VOLUME_TYPES) and volume[kind] is not None:
                remedy = "make it a persistentVolumeClaim (its StorageClass knows the storage)"
                yield f"the pod has the volume {volume['name']} of type {kind}, which the namespace refuses; {remedy}"


RULES: Final = (
    workload_rule(
        "container-no-host-parts",
        "Containers are not privileged and share nothing of the host.",
        docker=each(apart_on_docker),
        kubernetes=apart_on_kubernetes,
    ),
    # Docker: folders of the host are a matter of `container-engine-access`; buckets are mounted so on older engines.
    workload_rule(
        "pod-volume-types",
        "Pods mount volumes of the cluster only, never a folder of the node.",
        kubernetes=volumes_of_cluster,
    ),
)
