"""What our kubernetes plugin waits for on a real cluster, and what it says when that does not come."""

import pytest
from kubernetes import client

from tests.integration.plugins.project import Project
from tests.integration.plugins.test_kubernetes import declare, outputs

PODS = """
labels = {{"app": "web"}}
meta = {{"namespace": ns.metadata.name, "name": "web", "annotations": {{"pulumi.com/timeoutSeconds": "{seconds}"}}}}
container = {{"name": "web", "image": "{image}", "command": ["sh", "-c", {command!r}],
             "readinessProbe": {{"tcpSocket": {{"port": 8080}}, "periodSeconds": 1}}}}
template = {{"metadata": {{"labels": labels}},
            "spec": {{"terminationGracePeriodSeconds": 0, "containers": [container]}}}}
"""
DEPLOYMENT = """
d = k8s.apps.v1.Deployment("web", metadata=meta, spec={
    "replicas": 2, "selector": {"match_labels": labels}, "template": template})
k8s.core.v1.Service("web", metadata=meta, spec={"selector": labels, "ports": [{"port": 8080}]},
    opts=pulumi.ResourceOptions(depends_on=[d]))
"""
SERVE = "exec python3 -m http.server 8080 -d /tmp"


def pods(image: str, command: str = SERVE, seconds: int = 60) -> str:
    """What a workload's program begins with."""
    return PODS.format(image=image, command=command, seconds=seconds)


def test_a_deployment_is_awaited(kube: Project, name: str, pod_image: str) -> None:
    """`up` ends when replicas are available and the Service answers; a change rolls out; a second `up` does nothing."""
    declare(kube, name, pods(pod_image) + DEPLOYMENT)
    assert kube.up().ok().changes == {"created": 4}
    assert client.AppsV1Api().read_namespaced_deployment("web", name).status.available_replicas == 2
    assert kube.up().ok().changes == {"unchanged": 4}
    declare(kube, name, pods(pod_image, SERVE + " --bind 0.0.0.0") + DEPLOYMENT)
    assert kube.up().ok().changes == {"updated": 1, "unchanged": 3}
    status = client.AppsV1Api().read_namespaced_deployment("web", name).status
    assert (status.replicas, status.updated_replicas, status.available_replicas) == (2, 2, 2)
    assert kube.refresh().ok().code == 0


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("echo broken-here >&2; exit 7", ["ended with exit code 7", "broken-here"]),
        ("sleep 600", ["it runs and is not ready", "0 of 2 replicas available"]),
    ],
)
def test_what_does_not_come_up_says_why(
    kube: Project, name: str, pod_image: str, command: str, expected: list[str]
) -> None:
    """After its time a Deployment is in the state, with an error that tells exit codes and last log lines; it mends."""
    declare(kube, name, pods(pod_image, command, seconds=12) + DEPLOYMENT)
    outcome = kube.up()
    assert outcome.code != 0
    for text in [*expected, "was not ready within 12 s"]:
        assert text in outcome.text
    assert kube.resource("web")["id"] == f"{name}/web"
    declare(kube, name, pods(pod_image) + DEPLOYMENT)
    kube.up().ok()


def test_images_that_are_not_there(kube: Project, name: str, pod_image: str) -> None:
    """A missing image is told in the kubelet's words."""
    declare(kube, name, pods(pod_image + "-missing", seconds=10) + DEPLOYMENT)
    outcome = kube.up()
    assert "ImagePull" in outcome.text
    assert pod_image + "-missing" in outcome.text


def test_an_interrupted_wait_ends_at_once(kube: Project, name: str, pod_image: str) -> None:
    """Ctrl-C ends a wait, and what was made is in the state."""
    declare(kube, name, pods(pod_image, "sleep 600", seconds=300) + DEPLOYMENT)
    apps = client.AppsV1Api()
    outcome = kube.interrupt_up(when=lambda: bool(apps.list_namespaced_deployment(name).items))
    assert "was not ready yet when the update was cancelled" in outcome.text
    assert outcome.seconds < 20
    assert outputs(kube, "web")["metadata"]["name"] == "web"


JOB = """
k8s.batch.v1.Job("j", metadata={{"namespace": ns.metadata.name, "name": "j"}}, spec={{"backoffLimit": 0, "template": {{
    "spec": {{"restartPolicy": "Never", "containers": [{{
        "name": "c", "image": "{image}", "command": ["sh", "-c", "echo the last word; exit {code}"]}}]}}}}}})
"""


def test_jobs(kube: Project, name: str, pod_image: str) -> None:
    """A Job that succeeds is done; one that fails is an error at once, with its log; a changed template replaces."""
    declare(kube, name, JOB.format(image=pod_image, code=0))
    kube.up().ok()
    declare(kube, name, JOB.format(image=pod_image, code=3))
    outcome = kube.up()
    assert outcome.code != 0
    for text in ("BackoffLimitExceeded", "ended with exit code 3", "the last word"):
        assert text in outcome.text


SET = """
k8s.core.v1.PersistentVolumeClaim("c", metadata={"namespace": ns.metadata.name, "name": "c"}, spec={
    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Ki"}}})
k8s.apps.v1.StatefulSet("web", metadata=meta, spec={
    "serviceName": "web", "replicas": 1, "selector": {"match_labels": labels}, "template": template})
"""


def test_stateful_sets_and_claims(kube: Project, name: str, pod_image: str) -> None:
    """A claim that waits for its first pod is ready, quantities written otherwise are no change, a set comes up."""
    declare(kube, name, pods(pod_image) + SET)
    assert kube.up().ok().changes == {"created": 4}
    declare(kube, name, pods(pod_image) + SET.replace("1024Ki", "1Mi"))
    assert kube.up().ok().changes == {"unchanged": 4}
    declare(kube, name, pods(pod_image) + SET.replace('"web", "replicas"', '"other", "replicas"'))
    assert kube.preview().ok().changes == {"to replace": 1, "unchanged": 3}
