"""A container's inputs to the engine's form and back, without an engine."""

from typing import Any

import pytest

from toolchain.plugins.common.table import same
from toolchain.plugins.docker.container_body import container_body, host_config, network_mode, update_body
from toolchain.plugins.docker.container_read import drifted, import_inputs, outputs
from toolchain.plugins.docker.container_table import TABLE

MIB = 1024 * 1024
INPUTS: dict[str, Any] = {
    "name": "c",
    "image": "app:1",
    "command": ["serve", "--fast"],
    "entrypoints": ["/entry"],
    "envs": ["B=2", "A=1"],
    "labels": [{"label": "l", "value": "v"}],
    "user": "1000:1000",
    "workingDir": "/app",
    "hostname": "host",
    "readOnly": True,
    "init": True,
    "capabilities": {"drops": ["ALL"], "adds": ["NET_BIND_SERVICE"]},
    "securityOpts": ["no-new-privileges:true"],
    "memory": 256,
    "memorySwap": 256,
    "shmSize": 128,
    "cpus": "1.5",
    "cpuShares": 512,
    "ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}],
    "tmpfs": {"/tmp": "size=16m"},
    "mounts": [
        {"target": "/data", "source": "vol", "type": "volume", "volumeOptions": {"noCopy": True}},
        {"target": "/scratch", "type": "tmpfs", "tmpfsOptions": {"sizeBytes": MIB}},
    ],
    "volumes": [
        {"volumeName": "named", "containerPath": "/named", "readOnly": True},
        {"hostPath": "/etc/hosts", "containerPath": "/hosts"},
        {"containerPath": "/anonymous"},
    ],
    "ports": [{"internal": 80, "external": 8080, "ip": "127.0.0.1"}, {"internal": 53, "protocol": "udp"}],
    "networksAdvanced": [{"name": "net", "aliases": ["app"]}],
    "hosts": [{"host": "db", "ip": "10.0.0.1"}],
    "healthcheck": {"tests": ["CMD", "true"], "interval": "1m30s", "timeout": "500ms", "retries": 3},
    "restart": "on-failure",
    "maxRetryCount": 4,
    "logDriver": "local",
    "logOpts": {"max-size": "1m"},
    "stopTimeout": 20,
    "sysctls": {"net.core.somaxconn": "1024"},
    "devices": [{"hostPath": "/dev/null"}],
}


def inspected(inputs: dict[str, Any], **state: Any) -> dict[str, Any]:
    """What the engine would answer for a container of these inputs."""
    body = container_body(inputs, {"cairn.pulumi-urn": "urn"})
    host = body.pop("HostConfig")
    networks = body.pop("NetworkingConfig")["EndpointsConfig"]
    return {
        "Id": "f" * 64,
        "Name": "/" + inputs["name"],
        "Config": body,
        "HostConfig": {"LogConfig": {"Type": "json-file", "Config": {}}, **host},
        "State": {"Running": True, "Status": "running", "ExitCode": 0, **state},
        "NetworkSettings": {"Networks": {n: {"NetworkID": f"id-{n}", **data} for n, data in networks.items()}},
        "Platform": "linux",
    }


@pytest.mark.parametrize("name", INPUTS)
def test_each_input_is_read_back(name: str) -> None:
    """What is sent to the engine for an input means the same when it is read back for an import."""
    found = import_inputs(inspected(INPUTS), {"Config": {}})
    assert same(TABLE[name], INPUTS[name], found.get(name)), (INPUTS[name], found.get(name))


def test_import_leaves_out_what_the_image_gives() -> None:
    """Environment, labels, command and user of the image are not taken for inputs, nor is our own label."""
    config = {"Env": ["PATH=/bin"], "Labels": {"of": "image"}, "Cmd": ["run"], "User": "app", "Entrypoint": None}
    inputs = {"name": "c", "image": "app:1", "envs": ["PATH=/bin", "A=1"], "command": ["run"], "user": "app"}
    container = inspected({**inputs, "labels": [{"label": "of", "value": "image"}]})
    assert import_inputs(container, {"Config": config}) == {"name": "c", "image": "app:1", "envs": ["A=1"]}


def test_an_untouched_container_has_no_drift() -> None:
    """Read back, the inputs are exactly those of the state, word for word."""
    assert drifted(INPUTS, inspected(INPUTS)) == INPUTS


def test_the_engines_own_swap_limit_is_no_drift() -> None:
    """Without a declared swap limit the engine takes twice the memory, which is no difference."""
    inputs = {"name": "c", "image": "i", "memory": 64}
    container = inspected(inputs)
    container["HostConfig"]["MemorySwap"] = 128 * MIB
    assert drifted(inputs, container) == inputs


def test_joined_to_more_networks_is_no_drift() -> None:
    """Who runs the container's program may join it to more than was declared; outputs tell of the declared ones."""
    container = inspected(INPUTS)
    before = outputs(container, INPUTS)
    container["NetworkSettings"]["Networks"]["other"] = {"NetworkID": "id-other"}
    assert drifted(INPUTS, container) == INPUTS
    assert outputs(container, INPUTS) == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"HostConfig": {"Memory": 512 * MIB}}, {"memory": 512}),
        ({"HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 4}}}, {"restart": "always"}),
        ({"State": {"Running": False}}, {"mustRun": False}),
        ({"Name": "/renamed"}, {"name": "renamed"}),
        ({"NetworkSettings": {"Networks": {}}}, {"networksAdvanced": []}),
    ],
)
def test_what_was_changed_by_hand_is_drift(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Limits, policy, name, networks and a stopped container are found, and nothing beside."""
    container = inspected(INPUTS)
    for part, value in change.items():
        container[part] = {**container[part], **value} if isinstance(value, dict) else value
    assert drifted(INPUTS, container) == {**INPUTS, **expected}


def test_a_stopped_container_that_need_not_run_has_no_drift() -> None:
    """With mustRun off, a container that ended is as it should be, and tells its exit code."""
    inputs = {**INPUTS, "mustRun": False}
    container = inspected(inputs, Running=False, ExitCode=3)
    assert drifted(inputs, container) == inputs
    assert outputs(container, inputs)["exitCode"] == 3


def test_a_network_may_be_named_by_its_id() -> None:
    """A container that is on the declared network, given by id, has no drift."""
    inputs = {**INPUTS, "networksAdvanced": [{"name": "id-net"}]}
    container = inspected(INPUTS)
    assert drifted(inputs, container) == inputs


def test_our_label_is_not_an_output() -> None:
    """The label that tells whose the container is shows neither in outputs nor in inputs."""
    assert outputs(inspected({"name": "c", "image": "i"}), {})["labels"] == []


@pytest.mark.parametrize(
    ("inputs", "mode"),
    [
        ({}, "default"),
        ({"networkMode": "host"}, "host"),
        ({"networksAdvanced": [{"name": "a"}, {"name": "b"}]}, "a"),
        ({"networksAdvanced": [{"name": "a"}], "networkMode": "bridge"}, "a"),
    ],
)
def test_network_mode(inputs: dict[str, Any], mode: str) -> None:
    """A container starts in the first of its networks, never in the default bridge beside them."""
    assert network_mode(inputs) == mode


def test_an_update_sends_only_what_changed() -> None:
    """More memory takes the engine's derived swap limit along; a policy is sent whole; nothing else is."""
    assert update_body({"memory": 64, "cpuShares": 2}, ["memory"]) == {"Memory": 64 * MIB, "MemorySwap": 128 * MIB}
    assert update_body({"restart": "no", "cpuShares": 2}, ["restart"]) == {
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}
    }


@pytest.mark.parametrize(
    ("gpus", "request_"),
    [
        ("all", {"Count": -1, "Capabilities": [["gpu"]]}),
        ("device=0,2", {"DeviceIDs": ["0", "2"], "Capabilities": [["gpu"]]}),
    ],
)
def test_gpus(gpus: str, request_: dict[str, Any]) -> None:
    """GPUs are asked for as `docker run --gpus` does."""
    assert host_config({"gpus": gpus})["DeviceRequests"] == [request_]
