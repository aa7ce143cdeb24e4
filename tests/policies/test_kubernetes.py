"""Every rule on Kubernetes' objects: accepts good ones, refuses each bad one with its remedy."""

import json
from typing import Any

import pytest
from pulumi_policy import ResourceValidationPolicy

from policies.rules import ALL
from tests.policies.manifests import OTHERS, POD_PATHS, TYPES, changed, good, metadata, workload
from tests.policies.mutations import STANDARD, Mutation
from tests.policies.own_mutations import ALL as MUTATIONS
from tests.policies.support import complaints, refusals, rule

RULES = [each.name for each in ALL if isinstance(each, ResourceValidationPolicy)]
ONLY_DOCKER = {"container-process-limit", "container-log-rotation", "network-no-way-out"}
OTHER_WAYS = {"whole-objects"}  # its cases are further below: kinds of their own, not faults of good objects


@pytest.mark.parametrize("kind", [*POD_PATHS, *OTHERS])
def test_good_objects(kind: str) -> None:
    """No rule has anything against what the backend declares."""
    assert refusals(TYPES[kind], good(kind)) == {}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: each.name)
def test_one_fault(mutation: Mutation) -> None:
    """Each fault is refused by its rule and no other, with one message that has the remedy and no secret."""
    refused = refusals(TYPES[mutation.on], mutation.manifest())
    assert list(refused) == [mutation.rule]
    (message,) = refused[mutation.rule]
    assert message.startswith("it: ")
    for words in mutation.says:
        assert words in message
    assert "hunter2" not in message


@pytest.mark.parametrize("kind", POD_PATHS)
@pytest.mark.parametrize("mutation", STANDARD, ids=lambda each: each.name)
def test_no_way_round(kind: str, mutation: Mutation) -> None:
    """A fault is found in whatever makes the pod."""
    assert list(refusals(TYPES[kind], changed(kind, mutation.changes))) == [mutation.rule]


def test_every_rule_has_a_fault() -> None:
    """A rule that refuses nothing would pass unnoticed; what is only Docker's has its cases there."""
    assert {each.rule for each in MUTATIONS} == set(RULES) - ONLY_DOCKER - OTHER_WAYS


def test_names_are_unique() -> None:
    """A fault is found again by its name."""
    assert len({each.name for each in MUTATIONS}) == len(MUTATIONS) >= 30


def test_only_the_job_runner_has_a_token() -> None:
    """The controllers are the named exception, and which kinds are is a setting."""
    runner = workload("Deployment", "job_runner")
    runner["spec"]["template"]["spec"]["automountServiceAccountToken"] = True
    assert refusals(TYPES["Deployment"], runner) == {}
    assert complaints(rule("container-engine-access"), TYPES["Deployment"], runner, {"allowedKinds": []})


def test_users_images_may_write_to_their_layer() -> None:
    """A model server's image is the user's own; the exception is a setting."""
    server = workload("Deployment", "deployed_model")
    del server["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert refusals(TYPES["Deployment"], server) == {}
    assert complaints(rule("container-read-only-root"), TYPES["Deployment"], server, {"exemptKinds": []})


@pytest.mark.parametrize("kind", ["Job", "CronJob", "Pod"])
def test_what_may_end_needs_no_probe(kind: str) -> None:
    """Probes are for what is meant to run for ever."""
    probed = {"container readinessProbe": None, "container livenessProbe": None}
    assert refusals(TYPES[kind], changed(kind, probed)) == {}


def test_sidecars_are_probed() -> None:
    """An init container that stays is a container like the others."""
    stays = changed("Deployment", {"pod initContainers 0 restartPolicy": "Always"})
    assert list(refusals(TYPES["Deployment"], stays)) == ["container-probes"]


@pytest.mark.parametrize("image", ["r/x@sha256:" + "a" * 64, "r:5000/x:1.2@sha256:" + "a" * 64])
def test_pinned_images(image: str) -> None:
    """Digests are pinned, whatever tag stands before."""
    assert refusals(TYPES["Deployment"], changed("Deployment", {"container image": image})) == {}


def test_contexts_of_containers_suffice() -> None:
    """What every container states, the pod need not."""
    own = {"runAsNonRoot": True, "seccompProfile": {"type": "Localhost", "localhostProfile": "cairn/workloads.json"}}
    changes: dict[str, Any] = {"pod securityContext": {}}
    for place in ("container", "pod initContainers 0"):
        changes |= {f"{place} securityContext {name}": value for name, value in own.items()}
    assert refusals(TYPES["Deployment"], changed("Deployment", changes)) == {}


@pytest.mark.parametrize("expose", ["NodePort", "LoadBalancer", "ClusterIP"])
def test_exposure_as_the_stack_says(expose: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A published Service is of the type that cairn:kubernetes.expose names, or stays inside."""
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({"cairn:kubernetes": json.dumps({"expose": expose})}))
    accepted = {
        each: not refusals(TYPES["Service"], changed("Service", {"spec type": each}))
        for each in ("ClusterIP", "NodePort", "LoadBalancer")
    }
    assert accepted == {each: each in ("ClusterIP", expose) for each in accepted}


def test_exposure_by_policy_config() -> None:
    """The types can be set in the policy config too."""
    balanced = changed("Service", {"spec type": "LoadBalancer"})
    assert complaints(rule("service-exposure"), TYPES["Service"], balanced, {"types": ["LoadBalancer"]}) == []
    (message,) = complaints(rule("service-exposure"), TYPES["Service"], good("Service"), {"types": ["LoadBalancer"]})
    assert 'set type to "ClusterIP" or to LoadBalancer' in message


def test_cluster_roles_are_named() -> None:
    """A ClusterRole needs its name in the policy config, and even then reads no secrets."""
    made = changed("ClusterRole", {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]})
    (message,) = complaints(rule("rbac-least-rights"), TYPES["ClusterRole"], made)
    assert '{"clusterRoles": ["controllers"]}' in message
    named = {"clusterRoles": ["controllers"]}
    assert complaints(rule("rbac-least-rights"), TYPES["ClusterRole"], made, named) == []
    made["rules"][0]["resources"] = ["secrets"]
    (message,) = complaints(rule("rbac-least-rights"), TYPES["ClusterRole"], made, named)
    assert "every secret of the cluster (get)" in message
    assert "move it to a Role" in message


@pytest.mark.parametrize(
    ("token", "remedy"),
    [
        ("kubernetes:apps/v1:DeploymentPatch", "declare the whole object"),
        ("kubernetes:core/v1:PodList", "declare each Pod by itself"),
        ("kubernetes:helm.sh/v3:Release", "declare them one by one"),
    ],
)
def test_what_no_rule_sees_whole(token: str, remedy: str) -> None:
    """Patches, lists and charts would go past the rules; the exception is a setting."""
    (message,) = complaints(rule("whole-objects"), token, {})
    assert remedy in message
    assert complaints(rule("whole-objects"), token, {}, {"allowedKinds": [token.rpartition(":")[2]]}) == []


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:core/v1:ServiceAccountPatch",
        "kubernetes:helm.sh/v3:Chart",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:yaml:ConfigFile",
        "pulumi:providers:kubernetes",
    ],
)
def test_other_types_are_left_alone(token: str) -> None:
    """Patches of what no rule judges, components (their objects come by themselves) and the provider are fine."""
    assert refusals(token, {}) == {}


def test_custom_resources_carry_labels() -> None:
    """Objects of any other kind need the labels too, and are not taken for pods."""
    token = "kubernetes:batch.example.com/v1:Job"
    assert refusals(token, {"metadata": metadata("x"), "spec": {}}) == {}
    assert list(refusals(token, {"metadata": {}})) == ["required-labels"]
