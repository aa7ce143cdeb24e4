"""What Kubernetes tells of pods and their owners, as Containers: every case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workloads import contract
from workloads.controllers import outcome
from workloads.controllers.engines import kubernetes_state as state
from workloads.controllers.engines.base import Container
from workloads.controllers.engines.kubernetes_objects import INDEX_LABEL, INDEX_REFERENCE

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LABELS = {contract.LABEL_STACK: "s", contract.LABEL_NAME: "one"}
ANNOTATIONS = {contract.LABEL_RESOURCE: "projects/p", contract.LABEL_REPLICA: f"0-{INDEX_REFERENCE}", "other": "x"}
METADATA = {"name": "one", "uid": "u", "labels": {**LABELS, contract.LABEL_RESOURCE: "h-1"}, "annotations": ANNOTATIONS}


def at(seconds: float) -> str:
    """A time as Kubernetes writes it, relative to now."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pod(container: Any = None, *, index: str = "0", made: float = -9, policy: str = "Never", **more: Any) -> Any:
    """A pod whose container is in this state; `more` goes into the status, `metadata` into the metadata."""
    metadata = more.pop("metadata", {})
    labels = {**METADATA["labels"], **({INDEX_LABEL: index} if index else {})}  # type: ignore[dict-item]
    return {
        "metadata": {
            **METADATA,
            "name": f"one-{index}-abc",
            "labels": labels,
            "creationTimestamp": at(made),
            **metadata,
        },
        "spec": {"restartPolicy": policy, "terminationGracePeriodSeconds": 30},
        "status": {**({"containerStatuses": [container]} if container else {}), **more},
    }


def job(status: Any = None, completions: int = 1, suspend: bool = False) -> Any:
    """A Job."""
    return {
        "metadata": METADATA,
        "spec": {"completions": completions, "suspend": suspend},
        "status": status or {},
    }


def deleted(ago: float) -> Any:
    """Metadata of a pod that somebody asked to delete so long ago, with a grace of 30 s."""
    return {"deletionTimestamp": at(30 - ago), "deletionGracePeriodSeconds": 30}


def terminated(code: int, reason: str = "Error", **more: Any) -> Any:
    """A container that has ended."""
    return {"state": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": at(-5), **more}}}


def waiting(reason: str, message: str = "") -> Any:
    """A container that does not start."""
    return {"state": {"waiting": {"reason": reason, "message": message}}}


RUNNING = {"state": {"running": {}}, "restartCount": 2}
UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient gpu"}


def only(*, jobs: Any = (), deployments: Any = (), pods: Any = (), said: str = "") -> Container:
    """The one container of these."""
    [found] = state.containers(jobs, deployments, pods, lambda about: said, NOW)
    return found


def test_names_and_labels() -> None:
    """A job's container is named by its number; whole values and the number come from the annotations."""
    found = only(pods=[pod(RUNNING, index="3", podIP="10.0.0.9")])
    assert (found.name, found.group, found.phase, found.address) == ("one-3", "one", "running", "10.0.0.9")
    assert found.labels[contract.LABEL_RESOURCE] == "projects/p"
    assert found.labels[contract.LABEL_REPLICA] == "0-3"
    assert "other" not in found.labels
    assert contract.LABEL_REPLICA not in only(pods=[pod(RUNNING, index="")]).labels
    assert state.matches(found, {contract.LABEL_RESOURCE: "", contract.LABEL_REPLICA: "0-3"})
    assert not state.matches(found, {contract.LABEL_REPLICA: "0-4"})
    assert not state.matches(found, {"nothing": ""})


@pytest.mark.parametrize(
    ("raw", "code", "out_of_memory", "kind"),
    [
        (pod(terminated(0, "Completed"), phase="Succeeded"), 0, False, "succeeded"),
        (pod(terminated(0, "Completed")), 0, False, "succeeded"),
        (pod(terminated(3), phase="Failed"), 3, False, "failed"),
        (pod(terminated(137, "OOMKilled"), phase="Failed"), 137, True, "failed"),
        (pod(terminated(137), phase="Failed"), 137, False, "lost"),
        (pod(terminated(143), phase="Failed", reason="DeadlineExceeded"), 143, False, "lost"),
        (pod(phase="Failed", reason="DeadlineExceeded"), 143, False, "lost"),
        (pod(phase="Failed", reason="Evicted"), 137, False, "lost"),
        (pod(phase="Failed", reason="UnexpectedAdmissionError"), 137, False, "lost"),
        (pod(terminated(1), phase="Failed", reason="Evicted"), 137, False, "lost"),
        (
            pod(terminated(1), phase="Failed", conditions=[{"type": "DisruptionTarget", "status": "True"}]),
            137,
            False,
            "lost",
        ),
        # Ended 5 s ago: who was deleted later has ended by itself, who was deleted before was made to.
        (pod(terminated(1), phase="Failed", metadata=deleted(4)), 1, False, "failed"),
        (pod(terminated(0), phase="Succeeded", metadata=deleted(6)), 137, False, "lost"),
        # A node that is lost never confirms a deletion.
        (pod(RUNNING, phase="Running", metadata={"deletionTimestamp": at(-61)}), 137, False, "lost"),
    ],
)  # fmt: skip
def test_ends(raw: Any, code: int, out_of_memory: bool, kind: str) -> None:
    """How a container ended, and what the controllers make of it."""
    found = only(jobs=[job()], pods=[raw])
    assert (found.phase, found.exit_code, found.out_of_memory) == ("exited", code, out_of_memory)
    assert outcome.judge([{"name": found.name, "memory_mib": 1}], {found.name: found}).kind == kind


@pytest.mark.parametrize(
    "message",
    [
        "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
        'Container main exceeded its local ephemeral storage limit "1Gi". ',
    ],
)
def test_a_pod_that_wrote_too_much_is_not_tried_again(message: str) -> None:
    """In whichever of the kubelet's words; a node that is short of disk is no doing of the job's."""
    found = only(jobs=[job()], pods=[pod(terminated(137), phase="Failed", reason="Evicted", message=message)])
    verdict = outcome.judge([{"name": found.name, "memory_mib": 1}], {found.name: found})
    assert (verdict.kind, verdict.code) == ("failed", outcome.CODE_EXHAUSTED)
    assert message.strip(" .") in verdict.reason
    assert outcome.DISK_ADVICE in verdict.reason


def test_a_deleted_pod_that_still_runs() -> None:
    """It runs until it has ended."""
    assert only(pods=[pod(RUNNING, phase="Running", metadata={"deletionTimestamp": at(10)})]).phase == "running"


def test_why_it_was_killed_is_waited_for() -> None:
    """Before the pod's phase is final, the kubelet may not yet know that it was for memory."""
    assert only(pods=[pod(terminated(137), phase="Running")]).phase == "running"


@pytest.mark.parametrize(("words", "code"), [("exec: executable file not found in $PATH", 127), ("denied", 126)])
def test_a_command_that_can_not_be_run(words: str, code: int) -> None:
    """It has ended, and never will start."""
    found = only(pods=[pod(terminated(128, "StartError", message=words), phase="Failed")])
    assert (found.phase, found.exit_code, found.problem, found.fatal) == ("exited", code, words, True)


@pytest.mark.parametrize(
    ("raw", "problem", "fatal"),
    [
        (pod(), "", False),
        (pod(waiting("ContainerCreating")), "", False),
        (pod(conditions=[UNSCHEDULABLE]), "Unschedulable: Insufficient gpu", False),
        (pod(waiting("InvalidImageName", "bad")), "InvalidImageName: bad", True),
        (pod(waiting("CreateContainerConfigError", "no key")), "CreateContainerConfigError: no key", True),
        (pod(waiting("ErrImagePull", "x: not found")), "ErrImagePull: x: not found", True),
        (pod(waiting("ErrImagePull", "401 Unauthorized")), "ErrImagePull: 401 Unauthorized", True),
        (pod(waiting("ImagePullBackOff", "EOF"), startTime=at(-60)), "ImagePullBackOff: EOF", False),
        (pod(waiting("ImagePullBackOff", "EOF"), startTime=at(-301)), "ImagePullBackOff: EOF", True),
    ],
)
def test_what_does_not_start_tells_why(raw: Any, problem: str, fatal: bool) -> None:
    """In Kubernetes' words; fatal is what waiting does not mend."""
    found = only(pods=[raw])
    assert (found.phase, found.problem, found.fatal) == ("created", problem, fatal)


def test_events_tell_what_the_status_does_not() -> None:
    """A volume that is not there, a quota that is used up, a pod that is not admitted."""
    assert only(pods=[pod(waiting("ContainerCreating"))], said="FailedMount: no").problem == "FailedMount: no"
    placed = pod(waiting("ContainerCreating"), conditions=[{"type": "PodScheduled", "status": "True"}])
    assert only(pods=[placed], said="FailedScheduling: no room").problem == ""
    made = only(jobs=[job()], said="FailedCreate: exceeded quota: q")
    assert (made.phase, made.problem, made.fatal) == ("created", "FailedCreate: exceeded quota: q", False)
    assert only(jobs=[job()], said="FailedCreate: x violates PodSecurity y").fatal


@pytest.mark.parametrize(
    ("status", "suspend", "expected"),
    [
        ({}, False, ("created", None)),
        ({}, True, ("exited", 143)),
        ({"completedIndexes": "0,2-5"}, False, ("exited", 0)),
        ({"completedIndexes": "1-5"}, False, ("created", None)),
        ({"failedIndexes": "0"}, False, ("exited", 137)),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, False, ("exited", 137)),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, False, ("created", None)),
    ],
)
def test_containers_without_a_pod(status: Any, suspend: bool, expected: Any) -> None:
    """Their Job tells whether they are still to come, or how they ended."""
    whole = job(status, suspend=suspend)
    found = only(jobs=[whole])
    assert (found.phase, found.exit_code) == expected
    assert (found.name, found.labels[contract.LABEL_REPLICA]) == ("one-0", "0-0")
    assert state.finished_unseen(whole, []) is (found.phase == "exited")
    assert not state.finished_unseen(whole, [pod(RUNNING)])


def test_all_of_a_group() -> None:
    """Each number once, its newest pod; groups that are not ours to make are there too."""
    pods = [pod(RUNNING, index="1", made=-5), pod(terminated(1), index="1", made=-9, phase="Failed")]
    found = state.containers([job(completions=2)], [], pods, lambda about: "", NOW)
    assert [(each.name, each.phase) for each in found] == [("one-0", "created"), ("one-1", "running")]


def deployment(replicas: int, *conditions: Any) -> Any:
    """A Deployment."""
    return {"metadata": METADATA, "spec": {"replicas": replicas}, "status": {"conditions": list(conditions)}}


def server(container: Any, **more: Any) -> Any:
    """A Deployment's pod."""
    return pod(container, index="", policy="Always", **more)


def test_servers() -> None:
    """Named as their pods; ready as their probes say; those in a crash loop run, between two runs."""
    ready = {"type": "Ready", "status": "True"}
    crashing = {**waiting("CrashLoopBackOff"), "lastState": {"terminated": {"exitCode": 1}}, "restartCount": 7}
    for raw, expected in (
        (server(RUNNING, conditions=[ready]), ("running", 2, True, "")),
        (server(RUNNING), ("running", 2, False, "")),
        (server(crashing), ("running", 7, False, "")),
        (server(waiting("ContainerCreating")), ("created", 0, False, "")),
    ):
        found = only(deployments=[deployment(1)], pods=[raw])
        assert (found.phase, found.restarts, found.ready, found.problem) == expected
        assert found.name == raw["metadata"]["name"]


def test_servers_to_come_and_to_go() -> None:
    """Those that can't be made tell why; one that is being deleted is none any more; a stopped group is still there."""
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    leaving = server(RUNNING, metadata={"deletionTimestamp": at(9)})
    found = only(deployments=[deployment(1, failure)], pods=[leaving])
    assert (found.name, found.phase, found.problem) == ("one-0", "created", "FailedCreate: exceeded quota")
    assert (found.ready, found.fatal) == (False, False)
    stopped = only(deployments=[deployment(0)])
    assert (stopped.phase, stopped.exit_code, stopped.group) == ("exited", 143, "one")
