"""What the platform is measured beside: the bare means of its engine, with the same images. Chosen by the backend."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import httpx
import yaml

import cairn
from tests.support.environment import ROOT

CODE: Final = "import time; print(time.time())"  # a job's: when its first line ran
READY_S: Final = 120.0
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

    def serving(self, endpoint: str, command: Sequence[str] = ()) -> AbstractContextManager[Mapping[str, str]]:
        """Addresses of a server that does what the endpoint's only server does, without the platform before it.

        They are by what to say of the way there; the first is the barest.

        Args:
            command: what a server of that image, with the same limits, does instead.
        """


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


def wait_for(address: str) -> None:
    """Until it takes connections and answers; what, is the model server's business."""
    deadline = time.monotonic() + READY_S
    while True:
        try:
            httpx.get(address, timeout=2, trust_env=False)
        except httpx.HTTPError as problem:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{address} does not answer after {READY_S} s: {problem}") from problem
            time.sleep(0.2)
        else:
            return
