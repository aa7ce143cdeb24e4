"""When objects of each kind are ready, and what is said about those that are not."""

from typing import Any

import pytest

from tests.toolchain.plugins.kubernetes.fakes import FakeCluster
from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes import story
from toolchain.plugins.kubernetes.custom_conditions import custom_check
from toolchain.plugins.kubernetes.readiness import CHECKS

ROLLED = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
EXCEEDED = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too slow"}]


def obj(spec: Properties | None = None, status: Properties | None = None, **more: Any) -> Properties:
    """An object of generation 2."""
    metadata = {"name": "x", "namespace": "n", "generation": 2, "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}, **more}


@pytest.mark.parametrize(
    ("kind", "candidate", "ready", "text"),
    [
        ("Deployment", obj({"replicas": 2}, ROLLED), True, ""),
        ("Deployment", obj({"replicas": 2}, {**ROLLED, "observedGeneration": 1}), False, "rollout to begin"),
        ("Deployment", obj({"replicas": 2}, {**ROLLED, "replicas": 3}), False, "1 replicas of the version before"),
        ("Deployment", obj({"replicas": 2}, {**ROLLED, "availableReplicas": 1}), False, "1 of 2"),
        ("Deployment", obj({"replicas": 0}, {"observedGeneration": 2}), True, ""),
        ("Deployment", obj({}, {"observedGeneration": 2, "conditions": EXCEEDED}), False, "too slow"),
        ("StatefulSet", obj({"replicas": 2}, {**ROLLED, "currentRevision": "a", "updateRevision": "a"}), True, ""),
        (
            "StatefulSet",
            obj({"replicas": 2}, {**ROLLED, "currentRevision": "a", "updateRevision": "b"}),
            False,
            "updated",
        ),
        ("DaemonSet", obj({}, {"observedGeneration": 2, "desiredNumberScheduled": 1}), False, "0 of 1"),
        ("DaemonSet", obj({}, {"observedGeneration": 2}), True, ""),
        ("Job", obj({}, {"conditions": [{"type": "Complete", "status": "True"}]}), True, ""),
        ("Job", obj({}, {"conditions": [{"type": "Failed", "status": "True", "reason": "Bad"}]}), False, "Bad"),
        ("Job", obj({"suspend": True}), True, ""),
        ("Pod", obj({}, {"phase": "Succeeded"}), True, ""),
        ("Pod", obj({}, {"phase": "Running"}), False, "Running"),
        ("Service", obj({"type": "ExternalName"}), True, ""),
        ("Service", obj({"clusterIP": "None", "selector": {"a": "b"}}), True, ""),
        ("Service", obj({"selector": {"a": "b"}}), True, ""),
        ("Service", obj({"type": "LoadBalancer"}), False, "load balancer"),
        ("PersistentVolumeClaim", obj({}, {"phase": "Bound"}), True, ""),
        ("PersistentVolumeClaim", obj({}, {"phase": "Pending"}), False, "without a storage class"),
        ("Ingress", obj({"defaultBackend": {"service": {"name": "s"}}}), False, "does not exist"),
        ("Namespace", obj({}, {"phase": "Terminating"}), False, "Terminating"),
        ("CustomResourceDefinition", obj({}, {"conditions": [{"type": "Established", "status": "True"}]}), True, ""),
        ("ResourceQuota", obj({"hard": {"pods": "1"}}), False, "not in force"),
        ("Secret", obj(type="kubernetes.io/service-account-token"), False, "no token"),
    ],
)
def test_readiness(kind: str, candidate: Properties, ready: bool, text: str) -> None:
    """Each kind's own idea of being ready."""
    check = next(check for (_, name), check in CHECKS.items() if name == kind)
    verdict = check(candidate, FakeCluster())
    assert verdict.ready == ready
    assert text in verdict.text


def test_services_wait_for_pods_that_are_there() -> None:
    """A service whose pods exist and are not ready is waited for; with a ready endpoint it answers."""
    cluster, service = FakeCluster(), CHECKS["", "Service"]
    cluster.put({"kind": "Pod", "metadata": {"name": "p", "namespace": "n"}})
    assert "no pod" in service(obj({"selector": {"a": "b"}}), cluster).text
    piece = {"kind": "EndpointSlice", "metadata": {"name": "e", "namespace": "n"}}
    cluster.put({**piece, "endpoints": [{"conditions": {"ready": True}}]})
    assert service(obj({"selector": {"a": "b"}}), cluster).ready


def test_claims_wait_for_their_first_consumer() -> None:
    """A claim of a class that binds late is ready while it is pending."""
    cluster = FakeCluster()
    cluster.objects["StorageClass", "", "s"] = {"volumeBindingMode": "WaitForFirstConsumer"}
    claim = obj({"storageClassName": "s"}, {"phase": "Pending"})
    assert CHECKS["", "PersistentVolumeClaim"](claim, cluster).ready


@pytest.mark.parametrize(
    ("text", "ready"),
    [
        ("condition=Ready", True),
        ("condition=Ready=False", False),
        ("jsonpath={.status.phase}=Done", True),
        ("jsonpath={.status.list[0].x}", True),
        ('["condition=Ready", "jsonpath={.status.phase}=Other"]', False),
    ],
)
def test_conditions_of_the_program(text: str, ready: bool) -> None:
    """pulumi.com/waitFor takes conditions and paths, one or several."""
    status = {"phase": "Done", "list": [{"x": 0}], "conditions": [{"type": "Ready", "status": "True"}]}
    check = custom_check({"metadata": {"annotations": {"pulumi.com/waitFor": text}}})
    assert check is not None
    assert check(obj({}, status), FakeCluster()).ready == ready


def test_conditions_that_cannot_be_understood() -> None:
    """Anything else is an error that shows the forms."""
    with pytest.raises(ProviderError, match="neither condition="):
        custom_check({"metadata": {"annotations": {"pulumi.com/waitFor": "ready please"}}})


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no x"}}}, "ImagePullBackOff: no x"),
        ({"state": {"waiting": {"reason": "ContainerCreating"}}}, ""),
        ({"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}, "exit code 137 (OOMKilled)"),
        ({"state": {"running": {}}, "ready": False, "restartCount": 0}, "runs and is not ready"),
        ({"state": {"running": {}}, "ready": True}, ""),
    ],
)
def test_what_is_said_about_containers(state: Properties, text: str) -> None:
    """The kubelet's reason, exit codes; nothing about those that just start."""
    problems = list(story.pod_problems({"status": {"containerStatuses": [{"name": "c", **state}]}}))
    assert [text in problem for problem in problems] == ([True] if text else [])


def test_the_whole_story_has_events_of_what_an_object_made() -> None:
    """A quota's refusal is an event of the Deployment's ReplicaSet; a stranger's event is not told."""
    cluster = FakeCluster()
    web = cluster.put({"kind": "Deployment", "metadata": {"name": "web", "namespace": "n"}, "spec": {}})
    for about, reason in (("web-5c", "FailedCreate"), ("other-5c", "Strange")):
        involved = {"kind": "ReplicaSet", "name": about, "uid": about}
        event = {"involvedObject": involved, "reason": reason, "message": "exceeded quota"}
        cluster.put({"kind": "Event", "metadata": {"name": about, "namespace": "n"}, **event})
    told = story.whole(cluster, web)
    assert told == "- event ReplicaSet web-5c FailedCreate: exceeded quota"
    assert "Strange" not in told
