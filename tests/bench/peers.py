"""What the platform is measured beside: the bare means of its engine, with the same images. Chosen by the backend."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final, Protocol

import yaml

import cairn
from tests.support.environment import ROOT

CODE: Final = "import time; print(time.time())"  # a job's: when its first line ran
MACHINE: Final = "n1-standard-2"


class Peers(Protocol):
    """One engine's.

    Attributes:
        job, server: what they are called in the tables.
    """

    job: str
    server: str

    def run_job(self) -> float:
        """Seconds from asking for a container that runs CODE to its first line."""

    def serving(self, endpoint: str) -> AbstractContextManager[str]:
        """The address of a server that does what the endpoint's only server does, without the platform before it."""


def of(connection: cairn.Connection) -> Peers:
    """The peers of a stack's backend."""
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{connection.stack.name}.yaml").read_text(encoding="utf-8"))[
        "config"
    ]
    return PEERS[str(config.get("cairn:backend", "docker"))](connection)


def _docker(connection: cairn.Connection) -> Peers:
    from tests.bench.docker_peers import DockerPeers

    return DockerPeers(connection)


def _kubernetes(connection: cairn.Connection) -> Peers:
    from tests.bench.kubernetes_peers import KubernetesPeers

    return KubernetesPeers(connection)


PEERS: Final[Mapping[str, Callable[[cairn.Connection], Peers]]] = {"docker": _docker, "kubernetes": _kubernetes}
