"""What is read out of resources: quantities, replicas, and what a pod takes as a whole."""

from typing import Any

import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policies.reading import docker, kubernetes
from policies.reading.quantities import number
from policies.reading.resources import workload as read
from tests.policies.manifests import POD_PATHS, TYPES, changed, container
from tests.policies.manifests import workload as made
from tests.policies.support import labels


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("500m", 0.5), ("2", 2), (1.5, 1.5), ("1Gi", 2**30), ("1.5G", 1.5e9), ("64k", 64e3), ("1e3", 1e3), (None, 0)],
)
def test_quantities(quantity: Any, value: float) -> None:
    """All forms that Kubernetes takes."""
    assert number(quantity) == value


@pytest.mark.parametrize("quantity", ["1GB", "lots", "Gi", ""])
def test_no_quantities(quantity: str) -> None:
    """What Kubernetes would refuse is named, with examples."""
    with pytest.raises(ValueError, match=r"such as 500m"):
        number(quantity)


@pytest.mark.parametrize("kind", POD_PATHS)
def test_every_kind_that_makes_pods(kind: str) -> None:
    """Labels, kind and containers are found wherever the kind keeps them."""
    found = read(TYPES[kind], made(kind, "gateway"))
    assert found
    assert found.kind == "gateway"
    assert [each.place for each in found.containers] == ['container "api" ', 'init container "prepare" ']
    assert found.lasting == (kind not in ("Job", "CronJob", "Pod", "PodTemplate"))


@pytest.mark.parametrize(
    ("kind", "path", "replicas"),
    [
        ("Deployment", "spec replicas", 3),
        ("StatefulSet", "spec replicas", 0),
        ("Job", "spec parallelism", 4),
        ("CronJob", "spec jobTemplate spec parallelism", 2),
    ],
)
def test_replicas(kind: str, path: str, replicas: int) -> None:
    """Pods at once, where the kind says so; 1 when it does not."""
    assert kubernetes.workload(TYPES[kind], changed(kind, {path: float(replicas)})).replicas == replicas
    assert kubernetes.workload(TYPES[kind], made(kind)).replicas == 1


def _resources(cpu: str, memory: str, devices: dict[str, str] | None = None) -> dict[str, Any]:
    return {"resources": {"limits": {"cpu": cpu, "memory": memory, **(devices or {})}}}


def test_pods_take_what_the_scheduler_counts() -> None:
    """Containers and sidecars add up; an init container counts where it alone takes more."""
    changes = {
        "pod containers": [container("a", **_resources("1", "1Gi")), container("b", **_resources("500m", "512Mi"))],
        "pod initContainers": [
            container("large", **_resources("250m", "4Gi")),
            container("sidecar", restartPolicy="Always", **_resources("500m", "512Mi")),
        ],
    }
    takes = kubernetes.workload(TYPES["Deployment"], changed("Deployment", changes)).takes
    assert (takes.cpu, takes.memory_mib) == (2.0, 4096.0)


def test_devices_of_any_vendor() -> None:
    """Whatever a device plugin offers counts; what Kubernetes itself measures does not."""
    resources = _resources("1", "1Gi", {"nvidia.com/gpu": "2", "amd.com/gpu": "1", "x.kubernetes.io/y": "9"})
    changes = {"pod containers": [container("a", **resources)]}
    assert kubernetes.workload(TYPES["Job"], changed("Job", changes)).takes.gpus == 3


def test_disk_of_a_stateful_set() -> None:
    """Claims that come with each replica, and those that end with the pod."""
    claim = {"spec": {"resources": {"requests": {"storage": "10Gi"}}}}
    changes = {
        "spec volumeClaimTemplates": [claim],
        "pod volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": claim}}],
    }
    assert kubernetes.workload(TYPES["StatefulSet"], changed("StatefulSet", changes)).takes.storage_gib == 20


@pytest.mark.parametrize(
    ("props", "gpus"),
    [
        ({}, 0),
        ({"gpus": "all"}, 1),
        ({"deviceRequests": [{"count": 2.0}]}, 2),
        ({"deviceRequests": [{"count": -1}]}, 1),
    ],
)
def test_gpus_on_docker(props: dict[str, Any], gpus: int) -> None:
    """Asked for by count, or all of them, of which there is at least one."""
    assert docker.workload(props).takes.gpus == gpus


@pytest.mark.parametrize("token", ["docker:index/image:Image", "kubernetes:core/v1:Service", "random:index/x:X"])
def test_what_runs_nothing(token: str) -> None:
    """Other resources are no workloads."""
    assert read(token, {}) is None


def test_a_preview_does_not_know_everything() -> None:
    """An annotation or a variable that a preview can't know hides nothing else of the pod."""
    annotations = {"cairn.checksum/x": UNKNOWN_STRING_VALUE, "a": "b"}
    env = [{"name": "URL", "value": UNKNOWN_STRING_VALUE}, {"name": "C", "value": "d"}]
    props = changed("Deployment", {"template metadata annotations": annotations, "container env": env})
    found = kubernetes.workload(TYPES["Deployment"], unknown_checking_proxy(props))
    assert found.annotations == {"a": "b"}
    assert found.containers[0].environment == {"URL": "", "C": "d"}


def test_a_preview_does_not_know_the_images_own_entrypoint() -> None:
    """A Docker container that leaves its entrypoint to the image is read all the same, with what is known of it."""
    props = {"entrypoints": UNKNOWN_STRING_VALUE, "command": ["serve"], "cpus": "2", "labels": labels()}
    found = docker.workload(unknown_checking_proxy(props))
    assert found.containers[0].arguments == ["serve"]
    assert found.takes.cpu == 2
