"""A network and a volume of their own on the real Docker engine, and nothing left of them at the end."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import pytest

from tests.support.controllers import World, world
from tests.support.postgres import PostgresServer, postgres_server
from workloads import contract
from workloads.controllers.engines.docker import DockerEngine
from workloads.store import Store

IMAGE = "cairn-base:latest"  # the toolchain's base image: Python and nothing else


@dataclass(frozen=True)
class Place:
    """Where a test's containers run."""

    stack: str
    network: str
    volume: str
    engine: DockerEngine


@pytest.fixture
def place() -> Iterator[Place]:
    """An engine for a stack of its own."""
    client = docker.from_env()
    stack = f"ctl{secrets.token_hex(3)}"
    labels = {contract.LABEL_STACK: stack}
    network = client.networks.create(f"cairn-{stack}-workloads", labels=labels)
    volume = client.volumes.create(f"cairn-{stack}-objects", labels=labels)
    try:
        yield Place(stack, str(network.name), str(volume.name), DockerEngine(stack, {"workloads": str(network.name)}))
    finally:
        for container in client.containers.list(all=True, filters={"label": f"{contract.LABEL_STACK}={stack}"}):
            container.remove(force=True, v=True)
        network.remove()
        volume.remove()
        left = client.volumes.list(filters={"label": f"{contract.LABEL_STACK}={stack}"})
        assert left == [], "anonymous volumes were left behind"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def here(place: Place, postgres: PostgresServer) -> Iterator[World]:
    """Controllers' surroundings on the real engine."""
    store = Store(postgres.new_database(), wait_s=5)
    yield world(store, place.engine, stack=place.stack, object_store_volume=place.volume)
    store.close()
