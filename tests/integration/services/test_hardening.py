"""Compose runs the services as a stack does; else the other tests here would prove little."""

import json

import docker
import pytest

from workloads import contract


@pytest.mark.parametrize("service", ["database", "object-store"])
@pytest.mark.usefixtures("docker_services")
def test_hardened_and_without_secrets_in_plain(
    engine: docker.DockerClient, docker_compose_project_name: str, passwords: dict[str, str], service: str
) -> None:
    """No root, no capabilities, a read-only root, loopback only; passwords are neither in `inspect` nor in the log."""
    [container] = engine.containers.list(
        filters={
            "label": [f"{contract.LABEL_STACK}={docker_compose_project_name}", f"com.docker.compose.service={service}"]
        }
    )
    host, config = container.attrs["HostConfig"], container.attrs["Config"]
    assert config["User"] == contract.RUN_AS
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Memory"] == host["MemorySwap"] > 0
    published = [each for ports in container.ports.values() for each in ports or []]
    assert {each["HostIp"] for each in published} == {"127.0.0.1"}
    shown = json.dumps(container.attrs) + json.dumps(container.top()) + container.logs().decode()
    assert [name for name, text in passwords.items() if text in shown] == []
