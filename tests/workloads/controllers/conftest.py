"""A world in memory around a real store, and a model server to be healthy."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.support.controllers import World, world
from tests.support.fake_engine import FakeEngine
from workloads.store import Store


@pytest.fixture
def engine() -> FakeEngine:
    """An engine in memory."""
    return FakeEngine()


@pytest.fixture
def here(store: Store, engine: FakeEngine) -> World:
    """Controllers' surroundings."""
    return world(store, engine)


class _Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name for it
        """Silent."""


@pytest.fixture
def healthy_port() -> Iterator[int]:
    """A port of the loopback where /health answers 200."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
