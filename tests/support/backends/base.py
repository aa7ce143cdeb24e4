"""What tests ask of the place itself where a stack runs; everything else they ask of the stack's own API."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

import yaml

from cairn.backup.places import Place
from tests.support.environment import ROOT

Json = dict[str, Any]
Address = tuple[str, int]
# Sizes with which one job of the largest type fills the stack, and the platform fits beside it on 2 cores of a node.
CAPACITY = {"cpu": 1.2, "memory": "6Gi"}
MACHINE_TYPES = {
    "n1-standard-2": {"cpu": 0.25, "memory": "768Mi", "pricePerHour": 0.0950},
    "n1-standard-4": {"cpu": 0.7, "memory": "2Gi", "pricePerHour": 0.1900},
    "n1-standard-8": {"cpu": 1.2, "memory": "3Gi", "pricePerHour": 0.3800},
}
# So short that a test can see models follow their load.
AUTOSCALING = {"interval": 1, "downscaleWindow": 5, "shortestIdle": 5, "hold": 100}
PRINCIPALS = {"dana": "developer", "vic": "viewer"}


class Site(Protocol):
    """One backend, seen from outside. A `stack` is its name, a `service` the platform's name of it.

    Attributes:
        name: the backend's, as in cairn:backend, capabilities.py and the tests' ids.
    """

    name: str

    def open(self) -> AbstractContextManager[None]:
        """The place is there while this is entered."""

    def config(self) -> Json:
        """The config of a small stack with ports of its own."""

    def program(self) -> str:
        """Python that makes `backend`, for a Pulumi program that declares a kind on its own."""

    def free_port(self) -> int:
        """One that a service can be published on."""

    def place(self, stack: str) -> Place:
        """How `cairn backup` and `cairn restore` get into its containers."""

    def unhealthy(self, stack: str) -> list[str]:
        """The platform's services that do not run healthily."""

    def leftovers(self, stack: str) -> list[str]:
        """Everything that still carries the stack's label."""

    def remove_workloads(self, stack: str) -> None:
        """Remove what the stack's controllers made; they are stopped first, or they would make it anew."""

    def kill(self, stack: str, service: str) -> None:
        """End a service's process at once; it comes back, with or without help."""

    def remove(self, stack: str, service: str) -> None:
        """Take away what Pulumi made to run a service, by hand."""

    def edit(self, stack: str, service: str) -> None:
        """Change a limit of a service by hand."""

    def containers(self, stack: str, resource: str) -> list[str]:
        """The containers that work for a Vertex resource, whatever their state."""

    def serving(self, stack: str, resource: str) -> int:
        """How many of them run."""

    def own_image(self) -> str:
        """An image that is not the platform's, under a name by which jobs can get it; it has sh and Python."""

    def kill_container(self, stack: str, name: str) -> bool:
        """End one of them at once; whether it was there and had not ended, as a pod that still waits has not."""

    def strangers(self, stack: str) -> list[str]:
        """Containers of anybody else that a restart of the engine would end too."""

    def restart_engine(self, *, orderly: bool) -> None:
        """End what runs the containers, by SIGTERM or by kill -9, and start it again; it answers when this returns."""

    def devices(self, resource: str, count: int) -> AbstractContextManager[None]:
        """The place has so many devices of a kind while this is entered."""

    def outside(self) -> AbstractContextManager[tuple[str, str]]:
        """Something outside every stack that accepts connections, and is in reach of containers that may go out."""

    def execute(self, stack: str, service: str, *command: str) -> str:
        """What a command prints inside a service's container."""

    def shown(self, stack: str) -> Iterator[tuple[str, str]]:
        """Name → settings, labels, command line and log of everything there; all but the contents of secrets."""

    def images(self, stack: str) -> set[str]:
        """Of everything that runs, as this machine's engine calls them, which built them."""

    def listening(self, stack: str) -> dict[str, set[Address]]:
        """Service or group → every address, on whatever network, and port on which its containers listen."""

    def reached(self, stack: str, name: str, addresses: set[Address]) -> set[Address]:
        """Those of the addresses that accept a connection from inside a service's or group's container."""

    def soft_spots(self, stack: str) -> list[str]:
        """Where a running container is less confined than the policies ask for."""


def small_config(stack_file: str, ports: Json) -> Json:
    """A committed stack's config with other ports, and small enough that the queue can be tested."""
    config: Json = yaml.safe_load((ROOT / "stacks" / stack_file).read_text(encoding="utf-8"))
    config["config"] |= {
        "cairn:principals": PRINCIPALS,
        "cairn:autoscaling": AUTOSCALING,
        "cairn:ports": ports,
        "cairn:capacity": CAPACITY,
        "cairn:machineTypes": MACHINE_TYPES,
    }
    return config


def write_config(config: Json, path: Path) -> Path:
    """As a stack file."""
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path
