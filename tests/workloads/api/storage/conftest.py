"""The Cloud Storage surface over a real versitygw, served by uvicorn in a thread, and Google's own client to it."""

import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from google.cloud import storage
from google.oauth2.credentials import Credentials
from mypy_boto3_s3 import S3Client
from starlette.applications import Starlette

from tests.support.versitygw import S3Server, free_port, s3_server
from workloads import tokens
from workloads.api.storage import ObjectStore, StorageDeps, bearer, routes

STACK = "storage-test"
KEY = "k" * 40
PEOPLE = tokens.listed(tokens.Principal("tester", role) for role in tokens.ROLES_OF_PEOPLE)
VERIFY = tokens.verifier(STACK, KEY, PEOPLE)


@dataclass(frozen=True)
class Surface:
    """The surface as it is served: its address and where its upload sessions are."""

    url: str
    clients: list[storage.Client] = field(default_factory=list)

    def client(self, buckets: tuple[str, ...] | None = None, role: str = "") -> storage.Client:
        """Google's client as the admin, as a job that may open only `buckets`, or in another role."""
        role = role or (tokens.ROLE_ADMIN if buckets is None else tokens.ROLE_WORKLOAD)
        token = tokens.sign(tokens.Principal("tester", role, buckets), STACK, KEY)
        credentials = Credentials(token=token)  # type: ignore[no-untyped-call]
        made = storage.Client(project="p", credentials=credentials, client_options={"api_endpoint": self.url})
        self.clients.append(made)
        return made

    def headers(self) -> dict[str, str]:
        """The admin's Authorization header."""
        return {"Authorization": f"Bearer {tokens.sign(tokens.Principal('tester', 'admin'), STACK, KEY)}"}


@contextmanager
def serve(server: S3Server, uploads: Path, port: int) -> Iterator[Surface]:
    """The surface on a port, by an API process' worth of uvicorn."""
    deps = StorageDeps(
        ObjectStore(server.url, server.access_key, server.secret_key), bearer(VERIFY), uploads, "us-central1"
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await deps.store.close()

    app = Starlette(routes=routes(deps), lifespan=lifespan)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not running.started and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.started
    surface = Surface(f"http://127.0.0.1:{port}")
    yield surface
    for client in surface.clients:
        client.close()
    running.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One S3 server for the session."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def surface(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Surface]:
    """One surface for the session."""
    with serve(s3, tmp_path_factory.mktemp("uploads"), free_port()) as running:
        yield running


@pytest.fixture(scope="session")
def client(surface: Surface) -> storage.Client:
    """The admin's client."""
    return surface.client()


@pytest.fixture(scope="session")
def boto(s3: S3Server) -> S3Client:
    """An S3 client to the same server."""
    return s3.boto3()


@pytest.fixture
def make_bucket(client: storage.Client) -> Callable[[], storage.Bucket]:
    """Makes buckets of fresh names."""
    return lambda: client.create_bucket(f"b-{secrets.token_hex(6)}")


@pytest.fixture
def bucket(make_bucket: Callable[[], storage.Bucket]) -> storage.Bucket:
    """A bucket of the test's own."""
    return make_bucket()
