"""Docker's bare means: docker-py's own run, and the model server on its own address."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import docker

import cairn
from tests.bench.peers import CODE
from workloads import contract


class DockerPeers:
    """Peers of a stack on this machine's engine."""

    job = "docker-py run"
    server = "model server, direct"

    def __init__(self, connection: cairn.Connection) -> None:
        """Find the training image: the newest that the engine has."""
        self._client = docker.from_env()
        images = self._client.images.list(name="cairn/training")
        if not images:
            raise SystemExit(f"no cairn/training image on the engine: is stack {connection.stack.name!r} up?")
        self._image = str(images[0].id)

    def run_job(self) -> float:
        """`docker run` of the same image."""
        started = time.time()
        printed = self._client.containers.run(
            self._image, ["python3", "-c", CODE], remove=True, labels={contract.LABEL_STACK: "bench"}
        )
        return float(printed) - started

    @contextmanager
    def serving(self, endpoint: str) -> Iterator[str]:
        """The endpoint's own server: on one machine there is nothing barer."""
        label = f"{contract.LABEL_RESOURCE}={endpoint}"
        container = self._client.containers.list(filters={"label": label})[0]
        network = next(iter(container.attrs["NetworkSettings"]["Networks"].values()))
        yield f"http://{network['IPAddress']}:{contract.MODEL_SERVER_PORT}"
