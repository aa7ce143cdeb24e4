"""How the status tells of shadows."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anyio
import pytest

from tests.workloads.api.conftest import KEY, PARENT
from workloads import tokens
from workloads.api import shadows
from workloads.api.handlers import Context, Json

ENDPOINT = f"{PARENT}/endpoints/9"
SIDE = {"requests": 10, "errors": 1, "busyMs": 0, "lastRequest": 0, "latency": [5, 4, 1]}
SHADOW = {"percent": 20, "since": 1.0, "copied": 12, "dropped": 2, "tooLarge": 3, "own": SIDE}
LIVE = {**SIDE, "errors": 0, "latency": [10, 0, 0]}
MODELS = [
    {"endpoint": ENDPOINT, "id": "1", **LIVE},
    {"endpoint": ENDPOINT, "id": "2", **SIDE, "shadow": {**SHADOW, "live": LIVE}},
]


class Agent(BaseHTTPRequestHandler):
    """The gateway's, for whoever has an admin's token."""

    def do_GET(self) -> None:
        """The measures."""
        token = self.headers["Authorization"].removeprefix("Bearer ")
        assert tokens.verify(token, "test", KEY).role == tokens.ROLE_ADMIN
        assert self.path == "/measures"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"since": 1.0, "boundsMs": [5, 10], "models": MODELS}).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Nothing."""


@pytest.fixture
def agent() -> Iterator[str]:
    """Its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def shown(context: Context, url: str) -> list[Json]:
    """What the status has of them, with the agent there."""
    here = replace(context, config=replace(context.config, gateway_agent_url=url))
    found: list[Json] = anyio.run(shadows.shown, here, KEY, context.store.list("endpoints"))
    return found


def test_both_sides_of_each_shadow(context: Context, agent: str) -> None:
    """Counts, errors and latencies of the same requests; what took longer than all is as long as the last bound."""
    message: dict[str, Any] = {"labels": {"cairn-shadow-2": "20"}, "trafficSplit": {"1": 100}}
    context.store.create(ENDPOINT, message)
    assert shown(context, agent) == [
        {
            "endpoint": ENDPOINT,
            "deployed_model": "2",
            "percent": 20,
            "copied": 12,
            "dropped": 2,
            "too_large": 3,
            "shadow": {"requests": 10, "errors": 1, "p50_ms": 5, "p95_ms": 10},
            "live": {"requests": 10, "errors": 0, "p50_ms": 5, "p95_ms": 5},
        }
    ]


def test_without_shadows_or_a_gateway(context: Context, agent: str) -> None:
    """None, and the status goes on."""
    assert shown(context, agent) == []
    context.store.create(ENDPOINT, {"labels": {"cairn-shadow-2": "20"}})
    assert shown(context, "http://127.0.0.1:9") == []
