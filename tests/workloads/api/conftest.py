"""Fixtures of the API's tests: the app over a real store, behind a real HTTP server for Google's SDK."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import httpx
import pytest
import uvicorn

from tests.support.postgres import PostgresServer
from workloads import tokens
from workloads.api.app import create_app
from workloads.api.handlers import Context
from workloads.config import AcceleratorType, Capacity, MachineType, PlatformConfig
from workloads.registry import NotFound, Registry
from workloads.store import Store
from workloads.store.sealing import Seal

KEY = "test-signing-key-of-at-least-32-bytes"
PEOPLE = tokens.listed(
    tokens.Principal(name, role)
    for name, role in (
        ("dana", tokens.ROLE_DEVELOPER),
        ("eve", tokens.ROLE_DEVELOPER),
        ("vic", tokens.ROLE_VIEWER),
        *((role, role) for role in (tokens.ROLE_DEVELOPER, tokens.ROLE_VIEWER, "x")),
    )
)
VERIFY = tokens.verifier("test", KEY, PEOPLE)
PARENT = "projects/test-project/locations/us-central1"
IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
MODEL = f"{PARENT}/models/m"


@pytest.fixture(scope="session")
def config() -> PlatformConfig:
    """A stack of 4 cores with one GPU model."""
    return PlatformConfig(
        stack="test",
        project="test-project",
        location="us-central1",
        staging_bucket="staging",
        machine_types={
            "n1-standard-2": MachineType(1, 1024, 0.1),
            "n1-standard-4": MachineType(2, 2048, 0.2),
            "n1-standard-32": MachineType(32, 131072, 1.6),
        },
        images={
            "training/sklearn-cpu": "local/training:1",
            "prediction/sklearn-cpu": "local/prediction:1",
            "batch": "local/batch:1",
        },
        networks={"workloads": "test-workloads"},
        capacity=Capacity(4, 8192),
        accelerators={"NVIDIA_TESLA_T4": AcceleratorType(1, 0.35)},
    )


class OneModel:
    """A registry of one model."""

    def get(self, name: str) -> dict[str, Any]:
        """The model, whatever its version."""
        if name.partition("@")[0] != MODEL:
            raise NotFound(f"model {name} does not exist")
        container = {"imageUri": SERVING_IMAGE}
        return {
            "name": MODEL,
            "displayName": "m",
            "versionId": "1",
            "artifactUri": "gs://b/m",
            "containerSpec": container,
        }


@pytest.fixture(scope="session")
def shared_context(config: PlatformConfig, postgres: PostgresServer) -> Iterator[Context]:
    """What handlers get, once for all tests: making a database and a server for each would take a second."""
    store = Store(postgres.new_database(), wait_s=5, seal=Seal("the key of the tests' secrets"))
    yield Context(config, store, cast("Registry", OneModel()))
    store.close()


@pytest.fixture
def context(shared_context: Context) -> Context:
    """The same, with an empty store."""
    with shared_context.store._database.transaction() as connection:
        connection.execute("DELETE FROM resources")
        connection.execute("DELETE FROM secrets")
    return shared_context


def token(role: str = tokens.ROLE_ADMIN, subject: str = "admin") -> str:
    """A token of the test stack."""
    return tokens.sign(tokens.Principal(subject, role), "test", KEY)


@contextmanager
def served(context: Context, verify: tokens.Verify = VERIFY) -> Iterator[str]:
    """The URL of the app behind uvicorn."""
    running = uvicorn.Server(uvicorn.Config(create_app(context, KEY, verify), port=0, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    assert httpx.get(f"{url}/healthz").text == "ok\n"
    yield url
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def shared_server(shared_context: Context) -> Iterator[str]:
    """The URL of the app, once for all tests."""
    with served(shared_context) as url:
        yield url


@pytest.fixture
def server(shared_server: str, context: Context) -> str:
    """The app's URL, its store empty; for Google's SDK."""
    return shared_server


@pytest.fixture
def client(server: str) -> Iterator[httpx.Client]:
    """The admin's HTTP client."""
    headers = {"Authorization": f"Bearer {token()}"}
    with httpx.Client(base_url=server, headers=headers, trust_env=False, timeout=20) as found:
        yield found


def job(**changes: Any) -> dict[str, Any]:
    """A good CustomJob; changes go into its only worker pool."""
    pool = {
        "machineSpec": {"machineType": "n1-standard-4"},
        "replicaCount": "1",
        "containerSpec": {"imageUri": IMAGE, "command": ["true"]},
        **changes,
    }
    return {"displayName": "good", "jobSpec": {"workerPoolSpecs": [{k: v for k, v in pool.items() if v is not None}]}}
