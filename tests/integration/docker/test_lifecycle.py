"""What Pulumi's users rely on, on a real stack: no-op, heal, exact changes, previews that change nothing."""

import json
from pathlib import Path

import docker
import pytest
import yaml

from tests.support.environment import ROOT
from tests.support.stack import Stack
from workloads import contract


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    """An `up` of an unchanged stack plans and makes no change, and a refresh finds none either."""
    assert stack.changes("up") == {}
    assert stack.changes("refresh") == {}


def test_preview_is_clean_under_the_policies(stack: Stack) -> None:
    """The running stack previews without a change and without a violation of the policies."""
    assert stack.changes("preview", "--policy-pack", str(ROOT / "policies")) == {}


@pytest.mark.parametrize("service", [contract.GATEWAY_HOST, contract.TRACKING_HOST])
def test_a_killed_container_is_found_and_healed(stack: Stack, service: str) -> None:
    """A service's container removed by hand is found by refresh and made anew by up, and nothing else is touched."""
    docker.from_env().containers.get(stack.container(service)).remove(force=True)
    assert stack.changes("refresh") == {"delete": 1}
    assert stack.changes("up") == {"create": 1}
    stack.wait_healthy()
    assert stack.changes("up") == {}


def test_a_changed_environment_replaces_just_its_container(stack: Stack, tmp_path: Path) -> None:
    """A setting in the API's and the controllers' environment replaces these two containers and nothing else."""
    config = yaml.safe_load(stack.config_file.read_text(encoding="utf-8"))
    config["config"]["cairn:currency"] = "EUR"
    changed = tmp_path / stack.config_file.name
    changed.write_text(yaml.safe_dump(config), encoding="utf-8")
    text = stack.pulumi("preview", "--json", "--config-file", str(changed))
    steps = [step for step in json.loads(text)["steps"] if step["op"] != "same"]
    replaced = {step["urn"].rsplit("::", 1)[1] for step in steps if step["op"] == "replace"}
    assert {step["op"] for step in steps} <= {"replace", "create-replacement", "delete-replaced"}
    assert len(replaced) == 2, replaced
    assert stack.changes("preview") == {}, "a preview changes nothing"


def test_secrets_are_nowhere_in_plain(stack: Stack) -> None:
    """Token and keys show in no state file, no container's settings, label or command line, and no log."""
    canaries = [stack.token, stack.secret_key]
    state = stack.pulumi("stack", "export")
    assert not [secret for secret in canaries if secret in state]
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": f"{contract.LABEL_STACK}={stack.name}"}):
        shown = json.dumps(container.attrs) + container.logs().decode(errors="replace")
        assert not [secret for secret in canaries if secret in shown], container.name


def test_containers_are_hardened(stack: Stack) -> None:
    """Every container runs as a user, without privileges and capabilities, limited, published on the loopback."""
    for container in docker.from_env().containers.list(filters={"label": f"{contract.LABEL_STACK}={stack.name}"}):
        host = container.attrs["HostConfig"]
        assert container.attrs["Config"]["User"] not in ("", "0", "root"), container.name
        assert "no-new-privileges" in " ".join(host["SecurityOpt"] or []), container.name
        assert host["CapDrop"] == ["ALL"], container.name
        assert host["Memory"] > 0, container.name
        assert host["NanoCpus"] or host["CpuQuota"], container.name
        for bindings in (host["PortBindings"] or {}).values():
            assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}, container.name
        socket = [mount for mount in container.attrs["Mounts"] if "docker.sock" in mount["Source"]]
        assert not socket or container.name == stack.container(contract.CONTROLLERS_HOST)


def test_an_unknown_setting_fails_before_anything_changes(stack: Stack, tmp_path: Path) -> None:
    """A misspelt key stops `up` with the key, the nearest match and what is allowed; nothing has changed."""
    config = yaml.safe_load(stack.config_file.read_text(encoding="utf-8"))
    config["config"]["cairn:currancy"] = "EUR"
    wrong = tmp_path / stack.config_file.name
    wrong.write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"currancy[\s\S]*currency"):
        stack.pulumi("up", "--yes", "--skip-preview", "--config-file", str(wrong))
    assert stack.changes("preview") == {}
