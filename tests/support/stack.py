"""A real stack of its own for tests: own names, ports and state; brought up and destroyed by the Pulumi CLI."""

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import httpx
import yaml

from tests.support.environment import ROOT, pulumi_environment
from workloads import contract

UP_TIMEOUT_S = 1500  # cold, this builds every image


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(server.getsockname()[1]) for server in sockets]


@dataclass(frozen=True)
class Stack:
    """A stack that is up: its outputs, and the CLI to change it."""

    name: str
    config_file: Path
    environment: Mapping[str, str]
    outputs: Mapping[str, str]

    @property
    def project(self) -> str:
        """Its Vertex project."""
        return self.outputs["project"]

    @property
    def location(self) -> str:
        """Its Vertex location."""
        return self.outputs["location"]

    @property
    def token(self) -> str:
        """The admin's bearer token."""
        return self.outputs["token"]

    @property
    def headers(self) -> dict[str, str]:
        """The admin's headers."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def api_endpoint(self) -> str:
        """http://127.0.0.1:PORT of the gateway."""
        return self.outputs["apiEndpoint"]

    @property
    def vertex_url(self) -> str:
        """The URL of the stack's Vertex parent."""
        return f"{self.api_endpoint}/v1/projects/{self.project}/locations/{self.location}"

    @property
    def staging_bucket(self) -> str:
        """The staging bucket's name."""
        return self.outputs["stagingBucket"]

    @property
    def tracking_uri(self) -> str:
        """MLflow's address."""
        return self.outputs["trackingUri"]

    @property
    def object_store_endpoint(self) -> str:
        """The S3 address."""
        return self.outputs["objectStoreEndpoint"]

    @property
    def access_key(self) -> str:
        """The S3 access key."""
        return self.outputs["accessKey"]

    @property
    def secret_key(self) -> str:
        """The S3 secret key."""
        return self.outputs["secretKey"]

    def container(self, service: str) -> str:
        """The engine's name of a service's container."""
        return f"cairn-{self.name}-{service}"

    def get(self, path: str) -> Any:
        """The JSON of one of the stack's own paths."""
        response = httpx.get(f"{self.api_endpoint}{path}", headers=self.headers, timeout=30)
        return response.raise_for_status().json()

    def wait_healthy(self, seconds: float = 60) -> None:
        """Until every container of the platform says that it is healthy."""
        deadline = time.monotonic() + seconds
        while sick := unhealthy(self.name):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not healthy after {seconds} s: {', '.join(sick)}")
            time.sleep(0.3)

    def pulumi(self, *arguments: str, timeout: float = UP_TIMEOUT_S) -> str:
        """What the CLI prints for this stack."""
        return pulumi(self.environment, *arguments, "--stack", self.name, timeout=timeout)

    def changes(self, command: str, *arguments: str) -> dict[str, int]:
        """How many resources `up`, `refresh` or `preview` creates, updates, replaces …; unchanged ones are left out."""
        yes = () if command == "preview" else ("--yes", "--skip-preview")
        text = self.pulumi(command, "--json", *yes, "--config-file", str(self.config_file), *arguments)
        return {kind: count for kind, count in summary(text).items() if kind != "same"}


def summary(text: str) -> dict[str, int]:
    """The change counts in the JSON that `pulumi up --json` (a stream) or `pulumi preview --json` (one text) prints."""
    if "changeSummary" in text:
        return dict(json.loads(text)["changeSummary"])
    for line in reversed(text.splitlines()):
        if "summaryEvent" in line:
            return dict(json.loads(line)["summaryEvent"]["resourceChanges"])
    raise AssertionError(f"no summary in what pulumi printed: {text[-500:]}")


def unhealthy(stack: str) -> list[str]:
    """The platform's containers that are not running and healthy."""
    labels = [f"{contract.LABEL_STACK}={stack}", f"{contract.LABEL_MANAGED_BY}={contract.MANAGED_BY_PULUMI}"]
    containers = docker.from_env().containers.list(all=True, filters={"label": labels})
    states = {str(each.name): each.attrs["State"] for each in containers}
    healthy = {name for name, state in states.items() if state.get("Health", {}).get("Status") == "healthy"}
    return sorted(states.keys() - healthy)


def pulumi(environment: Mapping[str, str], *arguments: str, timeout: float = UP_TIMEOUT_S) -> str:
    """What the CLI prints.

    Raises:
        AssertionError: it failed; with all of its output.
    """
    done = subprocess.run(
        [environment["PULUMI_BIN"], "--non-interactive", "--color", "never", *arguments],
        cwd=ROOT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"pulumi {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def small_config(api: int, tracking: int, object_store: int) -> dict[str, Any]:
    """The local stack's config with own ports and a small capacity, so that the queue can be tested."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "stacks" / "Pulumi.local.yaml").read_text(encoding="utf-8"))
    settings = config["config"]
    settings["cairn:ports"] = {"api": api, "tracking": tracking, "objectStore": object_store}
    settings["cairn:capacity"] = {"cpu": 2, "memory": "6Gi"}
    settings["cairn:machineTypes"] = {
        "n1-standard-2": {"cpu": 0.25, "memory": "768Mi", "pricePerHour": 0.0950},
        "n1-standard-4": {"cpu": 1, "memory": "2Gi", "pricePerHour": 0.1900},
        "n1-standard-8": {"cpu": 2, "memory": "3Gi", "pricePerHour": 0.3800},
    }
    return config


@contextmanager
def running_stack(folder: Path) -> Iterator[Stack]:
    """A stack of its own, destroyed at the end; the end fails if anything of it is left on the engine."""
    name = f"t{secrets.token_hex(3)}"
    config_file = folder / f"Pulumi.{name}.yaml"
    config_file.write_text(yaml.safe_dump(small_config(*free_ports(3))), encoding="utf-8")
    environment = pulumi_environment(folder)
    pulumi(environment, "stack", "init", name)
    (ROOT / "stacks" / f"Pulumi.{name}.yaml").unlink(missing_ok=True)  # only a salt; `up` writes it to config_file
    common = ("--stack", name, "--yes", "--config-file", str(config_file))
    try:
        pulumi(environment, "up", "--skip-preview", "--policy-pack", str(ROOT / "policies"), *common)
        outputs = json.loads(pulumi(environment, "stack", "output", "--json", "--show-secrets", "--stack", name))
        yield Stack(name, config_file, environment, outputs)
    finally:
        remove_workloads(name)
        pulumi(environment, "destroy", "--skip-preview", *common)
        assert leftovers(name) == [], "destroy left something behind"


def remove_workloads(stack: str) -> None:
    """Remove what the stack's controllers made; they are stopped first, or they would make it anew."""
    client = docker.from_env()
    mine = f"{contract.LABEL_STACK}={stack}"
    for container in client.containers.list(filters={"label": [mine, f"{contract.LABEL_KIND}=job_runner"]}):
        container.stop(timeout=10)
    made = [mine, f"{contract.LABEL_MANAGED_BY}={contract.MANAGED_BY_CONTROLLERS}"]
    for container in client.containers.list(all=True, filters={"label": made}):
        container.remove(force=True, v=True)


def leftovers(stack: str) -> list[str]:
    """Containers, volumes and networks that still carry the stack's label."""
    client = docker.from_env()
    label = f"{contract.LABEL_STACK}={stack}"
    containers = [each.name for each in client.containers.list(all=True, filters={"label": label})]
    networks = [each.name for each in client.networks.list(filters={"label": label})]
    return [str(name) for name in [*containers, *networks, *_volumes(client, label)]]


def _volumes(client: docker.DockerClient, label: str) -> list[str]:
    found: dict[str, Any] = client.api.volumes(filters={"label": label})
    return [volume["Name"] for volume in found["Volumes"] or []]
