"""Docker's side of the conformance suite: this machine's engine."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from typing import Any, Final

import docker
from docker.errors import APIError
from docker.models.containers import Container

from cairn.backup.places import DockerPlace, Place
from tests.support import engine_daemon
from tests.support.backends import reach
from tests.support.backends.base import Address, Json, small_config
from tests.support.environment import ROOT
from toolchain.shell import RealShell
from toolchain.stack import leftovers
from workloads import contract

BASE_IMAGE: Final = "cairn-base:latest"
OWN_IMAGE: Final = "cairn/own:1"
LESS_MEMORY: Final = 200 * 1024 * 1024


class DockerSite:
    """A Site."""

    name = "docker"

    @contextmanager
    def open(self) -> Iterator[None]:
        """The engine was started by the set-up."""
        yield
        if docker.from_env().images.list(name=OWN_IMAGE):
            docker.from_env().images.remove(OWN_IMAGE)

    def config(self) -> Json:
        """The local stack's, made small."""
        ports = {name: self.free_port() for name in ("api", "tracking", "objectStore")}
        return small_config("Pulumi.local.yaml", ports)

    def program(self) -> str:
        """As README shows it."""
        return "from infra.backends.docker import DockerBackend\nbackend = DockerBackend(stack=pulumi.get_stack())"

    def free_port(self) -> int:
        """Of the loopback; the kernel does not give the same one out soon again."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            return int(server.getsockname()[1])

    def place(self, stack: str) -> Place:
        """By `docker exec`."""
        return DockerPlace(stack)

    def unhealthy(self, stack: str) -> list[str]:
        """Containers made by Pulumi that are not running and healthy."""
        containers = _containers(_of(stack), f"{contract.LABEL_MANAGED_BY}={contract.MANAGED_BY_PULUMI}")
        return sorted(str(each.name) for each in containers if _health(each) != "healthy")

    def leftovers(self, stack: str) -> list[str]:
        """Containers, volumes and networks."""
        client = docker.from_env()
        networks = [each.name for each in client.networks.list(filters={"label": _of(stack)})]
        volumes = [each["Name"] for each in _volumes(client, stack)]
        return [str(name) for name in [*(each.name for each in _containers(_of(stack))), *networks, *volumes]]

    def remove_workloads(self, stack: str) -> None:
        """As `make down` begins."""
        leftovers.Engine(RealShell(ROOT / ".cairn" / "logs", os.environ), stack).stop_made_by_controllers()

    def kill(self, stack: str, service: str) -> None:
        """The engine takes a kill for a stop by hand, and does not start the container again."""
        container = _service(stack, service)
        container.kill()
        container.start()

    def remove(self, stack: str, service: str) -> None:
        """Its container."""
        _service(stack, service).remove(force=True)

    def edit(self, stack: str, service: str) -> None:
        """Its container's memory limit."""
        _service(stack, service).update(mem_limit=LESS_MEMORY, memswap_limit=LESS_MEMORY)

    def containers(self, stack: str, resource: str) -> list[str]:
        """By their label."""
        return [str(each.name) for each in _containers(_of(stack), f"{contract.LABEL_RESOURCE}={resource}")]

    def serving(self, stack: str, resource: str) -> int:
        """Those that are running."""
        found = _containers(_of(stack), f"{contract.LABEL_RESOURCE}={resource}")
        return sum(each.status == "running" for each in found)

    def own_image(self) -> str:
        """The base image, under a name of its own."""
        image = docker.from_env().images.get(BASE_IMAGE)
        assert image.tag(OWN_IMAGE)
        return OWN_IMAGE

    def kill_container(self, stack: str, name: str) -> bool:
        """SIGKILL."""
        try:
            docker.from_env().containers.get(name).kill()
        except APIError as error:
            if error.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise
            return False
        return True

    def strangers(self, stack: str) -> list[str]:
        """Those without the stack's label."""
        running: list[Container] = docker.from_env().containers.list(ignore_removed=True)
        return sorted(str(each.name) for each in running if each.labels.get(contract.LABEL_STACK) != stack)

    def restart_engine(self, *, orderly: bool) -> None:
        """As it is managed here."""
        engine_daemon.restart(orderly=orderly)

    @contextmanager
    def devices(self, resource: str, count: int) -> Iterator[None]:
        """An engine's GPUs are real or not there: none to give."""
        yield

    def outside(self) -> AbstractContextManager[tuple[str, str]]:
        """This machine, at the address by which it is known outside."""
        return reach.listening(reach.own_address())

    def execute(self, stack: str, service: str, *command: str) -> str:
        """`docker exec`."""
        return run_in(_service(stack, service), *command)

    def shown(self, stack: str) -> Iterator[tuple[str, str]]:
        """What `docker inspect` and `docker logs` show."""
        for container in _containers(_of(stack)):
            yield str(container.name), f"{json.dumps(container.attrs)}{container.logs()!r}"

    def images(self, stack: str) -> set[str]:
        """Their ids."""
        return {str(container.attrs["Image"]) for container in _containers(_of(stack))}

    def listening(self, stack: str) -> dict[str, set[Address]]:
        """What their kernel tells, at each of their addresses."""
        found: dict[str, set[Address]] = {}
        for each in _named(stack):
            networks = each.attrs["NetworkSettings"]["Networks"].values()
            ports = reach.ports(run_in(each, *reach.LIST))
            addresses = {(str(network["IPAddress"]), port) for network in networks for port in ports}
            found.setdefault(each.labels[contract.LABEL_NAME], set()).update(addresses)
        return found

    def reached(self, stack: str, name: str, addresses: set[Address]) -> set[Address]:
        """From its first container."""
        labels = [_of(stack), f"{contract.LABEL_NAME}={name}"]
        inside = docker.from_env().containers.list(filters={"label": labels})[0]
        return reach.accepting(run_in(inside, *reach.ask(addresses)))

    def soft_spots(self, stack: str) -> list[str]:
        """Of every container: user, privileges, capabilities, limits, addresses, the engine's socket."""
        controllers = _name(stack, contract.CONTROLLERS_HOST)
        return [
            f"{each.name}: {spot}"
            for each in _containers(_of(stack))
            for spot, is_soft in _confinement(each, each.name == controllers).items()
            if is_soft
        ]


def _confinement(container: Container, may_reach_engine: bool) -> dict[str, bool]:
    """Each question, and whether its answer is bad."""
    host: Json = container.attrs["HostConfig"]
    published = [binding for bindings in (host["PortBindings"] or {}).values() for binding in bindings]
    sockets = [mount for mount in container.attrs["Mounts"] if "docker.sock" in mount["Source"]]
    return {
        "runs as root": container.attrs["Config"]["User"] in ("", "0", "root"),
        "may gain privileges": "no-new-privileges" not in " ".join(host["SecurityOpt"] or []),
        "keeps capabilities": host["CapDrop"] != ["ALL"],
        "has no memory limit": not host["Memory"],
        "has no CPU limit": not (host["NanoCpus"] or host["CpuQuota"]),
        "is published beyond the loopback": any(binding["HostIp"] != "127.0.0.1" for binding in published),
        "reaches the engine": bool(sockets) and not may_reach_engine,
    }


def run_in(container: Container, *command: str) -> str:
    """What a command prints inside a container."""
    done = container.exec_run(list(command))
    assert isinstance(done.output, bytes)  # not streamed
    text = done.output.decode()
    assert done.exit_code == 0, f"{container.name}: {text}"
    return text


def remove_networks(client: docker.DockerClient, *labels: str) -> None:
    """Remove the networks with these labels, whoever is on them."""
    for network in client.networks.list(filters={"label": list(labels)}):
        network.reload()
        for container in network.attrs["Containers"]:
            network.disconnect(container, force=True)
        network.remove()


def _named(stack: str) -> list[Container]:
    """Those that run and belong to a service or a group."""
    found: list[Container] = docker.from_env().containers.list(filters={"label": [_of(stack), contract.LABEL_NAME]})
    return found


def _of(stack: str) -> str:
    return f"{contract.LABEL_STACK}={stack}"


def _name(stack: str, service: str) -> str:
    return f"cairn-{stack}-{service}"


def _service(stack: str, service: str) -> Container:
    return docker.from_env().containers.get(_name(stack, service))


def _containers(*labels: str) -> list[Container]:
    found: list[Container] = docker.from_env().containers.list(
        all=True, filters={"label": list(labels)}, ignore_removed=True
    )
    return found


def _health(container: Container) -> str:
    return str(container.attrs["State"].get("Health", {}).get("Status", container.status))


def _volumes(client: docker.DockerClient, stack: str) -> list[dict[str, Any]]:
    found: dict[str, Any] = client.api.volumes(filters={"label": _of(stack)})
    return found["Volumes"] or []
