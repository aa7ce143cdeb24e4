"""Docker's bare means: docker-py's own run, and the model server on its own address."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import docker

import cairn
from tests.bench.peers import CODE, wait_for
from workloads import contract

BRIDGE = "bridge"
PORT = f"{contract.MODEL_SERVER_PORT}/tcp"


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
    def serving(self, endpoint: str, command: Sequence[str] = ()) -> Iterator[Mapping[str, str]]:
        """The endpoint's own server, since on one machine there is nothing barer; with a command one like it.

        The stack's networks let this machine in nowhere, so its own server joins the engine's bridge meanwhile. One
        like it has a published port besides, which is how anybody's clients reach a container, and the gateway's.
        """
        label = f"{contract.LABEL_RESOURCE}={endpoint}"
        own = self._client.containers.list(filters={"label": label})[0]
        bridge = self._client.networks.get(BRIDGE)
        container = self._like(own, command) if command else own
        if not command:
            bridge.connect(own)
        try:
            container.reload()
            found = container.attrs["NetworkSettings"]
            addresses = {"": f"http://{found['Networks'][BRIDGE]['IPAddress']}:{contract.MODEL_SERVER_PORT}"}
            if command:
                addresses[", docker run -p"] = f"http://127.0.0.1:{found['Ports'][PORT][0]['HostPort']}"
            for address in addresses.values():
                wait_for(address)
            yield addresses
        finally:
            if command:
                container.remove(force=True)
            else:
                bridge.disconnect(own)

    def _like(self, own: Any, command: Sequence[str]) -> Any:
        limits = own.attrs["HostConfig"]
        return self._client.containers.run(
            own.attrs["Image"],
            list(command),
            detach=True,
            nano_cpus=limits["NanoCpus"],
            mem_limit=limits["Memory"],
            ports={PORT: ("127.0.0.1", 0)},
            labels={contract.LABEL_STACK: "bench"},
        )
