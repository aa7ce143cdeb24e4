"""Cluster number 1, for what a cluster that others use must not suffer; gone after the tests."""

import subprocess
import uuid
from collections.abc import Iterator

import pytest

from tests.integration.cluster.lab import Lab
from tests.support.cluster import running
from toolchain.cluster.layout import Layout

BASE = "cairn-base:latest"


@pytest.fixture(scope="module")
def beside() -> Iterator[Layout]:
    """A cluster of this module's own."""
    with running(1) as layout:
        yield layout


@pytest.fixture(scope="module")
def pushed(beside: Layout) -> str:
    """The base image, pushed to the cluster's registry by the Docker engine."""
    name = f"{beside.registry}/tests/base:1"
    for command in (["docker", "tag", BASE, name], ["docker", "push", "--quiet", name], ["docker", "rmi", name]):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=180)
    return name


@pytest.fixture(scope="module")
def lab(beside: Layout, pushed: str) -> Iterator[Lab]:
    """A namespace whose pods' image comes from the registry."""
    made = Lab(beside, pushed, f"lab-{uuid.uuid4().hex[:6]}")
    yield made
    made.remove()
