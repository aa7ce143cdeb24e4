"""Places of tests' own on the real engines, Docker and Kubernetes, and nothing left of them at the end."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import docker
import pytest

from tests.integration.controllers.groups import Site
from tests.support.cluster import running
from tests.support.controllers import World, world
from tests.support.namespace import Namespace, pushed
from tests.support.namespace import namespace as made_namespace
from tests.support.postgres import PostgresServer, postgres_server
from toolchain.cluster.layout import Layout
from workloads import contract
from workloads.controllers.engines.docker import DockerEngine
from workloads.store import Store

IMAGE = "cairn-base:latest"  # the toolchain's base image: Python and nothing else


@dataclass
class Place:
    """Where a test's containers run."""

    stack: str
    network: str
    volume: str
    engine: DockerEngine
    image: str = IMAGE
    maker: str = "0:0"
    domain: str = ""
    buckets: set[str] = field(default_factory=set)


@pytest.fixture
def place() -> Iterator[Place]:
    """An engine for a stack of its own."""
    client = docker.from_env()
    stack = f"ctl{secrets.token_hex(3)}"
    labels = {contract.LABEL_STACK: stack}
    network = client.networks.create(f"cairn-{stack}-workloads", labels=labels)
    volume = client.volumes.create(f"cairn-{stack}-objects", labels=labels)
    try:
        # One network for all: these controllers run on the host, which reaches no network of model servers.
        networks = dict.fromkeys((contract.NETWORK_WORKLOADS, contract.NETWORK_SERVERS), str(network.name))
        yield Place(stack, str(network.name), str(volume.name), DockerEngine(stack, networks))
    finally:
        for container in client.containers.list(
            all=True, filters={"label": f"{contract.LABEL_STACK}={stack}"}, ignore_removed=True
        ):
            container.remove(force=True, v=True)
        network.remove()
        volume.remove()
        left = client.volumes.list(filters={"label": f"{contract.LABEL_STACK}={stack}"})
        assert left == [], "anonymous volumes were left behind"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Layout]:
    """The project's own cluster."""
    with running() as layout:
        yield layout


@pytest.fixture(scope="session")
def pushed_image(cluster: Layout) -> str:
    """The base image in the cluster's registry."""
    return pushed(cluster, IMAGE)


@pytest.fixture
def namespace(cluster: Layout, pushed_image: str) -> Iterator[Namespace]:
    """A namespace of the test's own, and an engine in it."""
    with made_namespace(cluster, pushed_image) as made:
        yield made


@pytest.fixture(params=["docker", "kubernetes"])
def site(request: pytest.FixtureRequest) -> Site:
    """A place on each engine."""
    found: Site = request.getfixturevalue({"docker": "place", "kubernetes": "namespace"}[request.param])
    return found


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
