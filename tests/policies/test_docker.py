"""Every rule on Docker's containers, volumes and networks: accepts good ones, refuses each bad one with its remedy."""

from typing import Any

import pytest
from pulumi_policy import ResourceValidationPolicy

from policies.reading.docker import NETWORK, VOLUME
from policies.rules import ALL
from tests.policies.support import complaints, labels, rule, violations

RULES = [each.name for each in ALL if isinstance(each, ResourceValidationPolicy)]
ONLY_NETWORKS = {"network-no-way-out"}
ONLY_KUBERNETES = {
    "ingress-tls",
    "namespace-restricted",
    "pod-volume-types",
    "rbac-least-rights",
    "rbac-narrow-bindings",
    "service-account-token",
    "service-exposure",
    "whole-objects",
}
BAD: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("container-non-root", {"user": None}, ("whatever user the image names", "10001:10001")),
    ("container-non-root", {"user": "root"}, ("runs as root",)),
    ("container-non-root", {"user": "0"}, ("runs as 0",)),
    ("container-non-root", {"user": "10001:0"}, ("group 0", "gid other than 0")),
    ("container-no-new-privileges", {"securityOpts": None}, ('add "no-new-privileges:true"',)),
    (
        "container-confined",
        {"securityOpts": ["no-new-privileges:true", "seccomp=unconfined"]},
        ("seccomp=unconfined", "remove it"),
    ),
    ("container-no-capabilities", {"capabilities": None}, ('drops to ["ALL"]',)),
    ("container-no-capabilities", {"capabilities": {"drops": ["NET_RAW"]}}, ('drops to ["ALL"]',)),
    ("container-no-capabilities", {"capabilities": {"drops": ["ALL"], "adds": ["SYS_ADMIN"]}}, ("SYS_ADMIN", "remove")),
    ("container-read-only-root", {"readOnly": False}, ("readOnly to true", "tmpfs")),
    ("container-no-host-parts", {"privileged": True}, ("remove privileged",)),
    ("container-no-host-parts", {"networkMode": "host"}, ('remove networkMode: "host"',)),
    ("container-no-host-parts", {"pidMode": "host"}, ('remove pidMode: "host"',)),
    ("container-no-host-parts", {"devices": [{"hostPath": "/dev/sda"}]}, ("remove devices",)),
    ("container-memory-limit", {"memory": None}, ("set memory",)),
    ("container-memory-limit", {"memorySwap": -1.0}, ("memorySwap to 512",)),
    ("container-cpu-limit", {"cpus": None}, ("set cpus",)),
    ("container-process-limit", {"ulimits": None}, ("nproc",)),
    ("container-process-limit", {"ulimits": [{"name": "nproc", "soft": -1.0, "hard": -1.0}]}, ("nproc",)),
    ("container-log-rotation", {"logOpts": None}, ("max-size",)),
    ("container-loopback-only", {"ports": [{"internal": 80.0, "ip": "0.0.0.0"}]}, ("port 80 on 0.0.0.0", "127.0.0.1")),
    ("container-loopback-only", {"ports": [{"internal": 80.0}]}, ("every address", "127.0.0.1")),
    ("container-loopback-only", {"publishAllPorts": True}, ("remove publishAllPorts",)),
    ("container-probes", {"healthcheck": None}, ("set healthcheck",)),
    ("container-probes", {"healthcheck": {"tests": ["NONE"]}}, ("set healthcheck",)),
    (
        "container-engine-access",
        {"mounts": [{"type": "bind", "source": "/var/run/docker.sock", "target": "/x"}]},
        ("/var/run/docker.sock", "remove the mount", "job_runner"),
    ),
    (
        "container-engine-access",
        {"volumes": [{"hostPath": "/run/user/1000/docker.sock", "containerPath": "/x"}]},
        ("/run/user/1000/docker.sock",),
    ),
    ("container-engine-access", {"volumes": [{"hostPath": "/var/run/", "containerPath": "/x"}]}, ("/var/run/",)),
    ("no-plain-secrets", {"envs": ["DB_PASSWORD=hunter2"]}, ("DB_PASSWORD", "/run/secrets")),
    ("no-plain-secrets", {"envs": ["AWS_SECRET_ACCESS_KEY=hunter2"]}, ("AWS_SECRET_ACCESS_KEY",)),
    ("no-plain-secrets", {"envs": ["GITHUB_TOKEN=hunter2"]}, ("GITHUB_TOKEN",)),
    ("no-plain-secrets", {"envs": ["DB=postgres://u:hunter2@db/x"]}, ("variable DB;",)),
    ("no-plain-secrets", {"envs": ["X=a eyJhbGciOi.eyJpc3MiOi.c2ln b"]}, ("variable X;",)),
    ("no-plain-secrets", {"command": ["serve", "--db-password=hunter2"]}, ("argument --db-password;", "/run/secrets")),
    ("no-plain-secrets", {"command": ["serve", "--token", "hunter2"]}, ("argument --token;",)),
    ("no-plain-secrets", {"entrypoints": ["env", "API_KEY=hunter2", "serve"]}, ("argument API_KEY;",)),
    ("no-plain-secrets", {"command": ["serve", "postgres://u:hunter2@db/x"]}, ("argument 2;",)),
    ("no-plain-secrets", {"labels": [*labels(), {"label": "password", "value": "hunter2"}]}, ("label password;",)),
    ("container-pinned-image", {"image": "nginx:latest"}, ('"nginx:latest"', "digest")),
    ("container-pinned-image", {"image": "nginx"}, ('"nginx"', "digest")),
    ("container-pinned-image", {"image": "nginx:1.27"}, ('"nginx:1.27"', "digest")),
    ("required-labels", {"labels": None}, ("cairn.stack, cairn.kind, cairn.name, cairn.managed-by",)),
    ("required-labels", {"labels": labels(stack="")}, ("lacks the labels cairn.stack",)),
]


@pytest.mark.parametrize("name", RULES)
def test_good_container(name: str) -> None:
    """No rule has anything against the good container."""
    assert violations(name) == []


@pytest.mark.parametrize(("name", "changes", "says"), BAD, ids=[f"{name}-{next(iter(how))}" for name, how, _ in BAD])
def test_bad_container(name: str, changes: dict[str, Any], says: tuple[str, ...]) -> None:
    """Each fault is one violation that names the resource, says how to mend it, and repeats no secret."""
    (message,) = violations(name, **changes)
    assert message.startswith("it: ")
    for words in says:
        assert words in message
    assert "hunter2" not in message


def test_every_rule_has_a_bad_case() -> None:
    """A rule that refuses nothing would pass unnoticed; what is only Kubernetes' has its cases there."""
    assert {name for name, _, _ in BAD} == set(RULES) - ONLY_KUBERNETES - ONLY_NETWORKS


@pytest.mark.parametrize("name", RULES)
def test_other_resources_are_left_alone(name: str) -> None:
    """A rule looks at no type but its own."""
    assert violations(name, "docker:index/image:Image", labels=None, user=None, image="x") == []


@pytest.mark.parametrize("kind", [VOLUME, NETWORK])
def test_labels_of_volumes_and_networks(kind: str) -> None:
    """Volumes and networks need the labels too."""
    assert violations("required-labels", kind) == []
    assert len(violations("required-labels", kind, labels=[])) == 1


@pytest.mark.parametrize(
    "good", [{"internal": True}, {"options": {"com.docker.network.bridge.enable_ip_masquerade": "false"}}]
)
def test_networks_that_lead_nowhere(good: dict[str, Any]) -> None:
    """Internal ones, and one for published ports, whose packets are not translated."""
    assert violations("network-no-way-out", NETWORK, **good) == []


def test_networks_that_lead_out() -> None:
    """They are refused with the remedy, and which networks may is a setting."""
    (found,) = violations("network-no-way-out", NETWORK)
    assert "leads out of the stack; set internal to true" in found
    assert complaints(rule("network-no-way-out"), NETWORK, {"name": "out"}, {"leadingOut": ["out"]}) == []


def test_named_exception_for_the_socket() -> None:
    """The job runner may mount the socket, and which kinds may is a setting."""
    mounts = [{"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}]
    runner: dict[str, Any] = {"mounts": mounts, "labels": labels(kind="job_runner")}
    assert violations("container-engine-access", **runner) == []
    assert len(violations("container-engine-access", config={"allowedKinds": []}, **runner)) == 1


def test_users_images_may_write_to_their_layer() -> None:
    """A model server's image is the user's own; the exception is a setting."""
    server: dict[str, Any] = {"readOnly": False, "labels": labels(kind="deployed_model")}
    assert violations("container-read-only-root", **server) == []
    assert len(violations("container-read-only-root", config={"exemptKinds": []}, **server)) == 1


@pytest.mark.parametrize("image", ["nginx@sha256:" + "a" * 64, "sha256:" + "a" * 64, "cairn/api:0123456789abcdef"])
def test_pinned_images(image: str) -> None:
    """Digests, ids and content tags are pinned."""
    assert violations("container-pinned-image", image=image) == []


def test_variables_that_only_look_like_secrets() -> None:
    """Paths of secret files are fine, and a name can be allowed."""
    assert violations("no-plain-secrets", envs=["X_TOKEN=/run/secrets/token", "EMPTY_TOKEN="]) == []
    config = {"allowedNames": ["PAD_TOKEN"]}
    assert violations("no-plain-secrets", config=config, envs=["PAD_TOKEN=<pad>"]) == []


def test_what_may_end_needs_no_probe() -> None:
    """Jobs end by themselves; model servers are asked by the controllers, and which kinds are is a setting."""
    assert violations("container-probes", restart="no", healthcheck=None) == []
    server: dict[str, Any] = {"healthcheck": None, "labels": labels(kind="deployed_model")}
    assert violations("container-probes", **server) == []
    assert len(violations("container-probes", config={"exemptKinds": []}, **server)) == 1


def test_arguments_without_secrets() -> None:
    """Paths of secret files, options without a value and other words are fine."""
    command = ["serve", "--password-file", "/run/secrets/db", "--token=/run/secrets/t", "--token", "--port=80", "a=b"]
    assert violations("no-plain-secrets", command=command) == []
    assert violations("no-plain-secrets", config={"allowedNames": ["pad-token"]}, command=["--pad-token=x"]) == []


def test_cpu_by_quota() -> None:
    """A quota is a limit as well."""
    assert violations("container-cpu-limit", cpus=None, cpuQuota=50000.0) == []
