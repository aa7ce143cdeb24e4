"""The Docker engine's socket goes away and comes back, as when the engine is restarted: over a real socket."""

import http.server
import json
import queue
import socketserver
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workloads import contract
from workloads.controllers.engines import docker_events
from workloads.controllers.engines.base import Unavailable
from workloads.controllers.engines.docker import DockerEngine

AWAY_S = 1.0
LABELS = {contract.LABEL_STACK: "t", contract.LABEL_RESOURCE: "job"}
FOUND = {
    "Name": "/cairn-t-w-0",
    "Created": "2026-01-01T00:00:00Z",
    "State": {
        "Status": "running", "ExitCode": 0, "OOMKilled": False, "StartedAt": "2026-01-01T00:00:00Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    },
    "Config": {"Labels": LABELS, "Tty": False},
    "NetworkSettings": {"Networks": {}},
}  # fmt: skip


class Daemon(socketserver.ThreadingUnixStreamServer):
    """As much of an engine as is asked here: one container, its log's first line, and events that a test tells."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.told: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.followed = threading.Event()
        self.connections: list[Any] = []
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def get_request(self) -> Any:
        """Remembered, to be broken off."""
        found = super().get_request()
        self.connections.append(found[0])
        return found

    def end(self) -> None:
        """As by kill -9: every connection breaks where it is, the socket's file stays."""
        self.shutdown()
        self.server_close()
        for each in self.connections:
            self.shutdown_request(each)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of the engine's."""

    protocol_version = "HTTP/1.1"
    server: Daemon

    def do_GET(self) -> None:
        """What docker-py asks."""
        path = self.path.partition("?")[0]
        if path.endswith("/events"):
            self._stream(json.dumps(self.server.told.get()).encode() for _ in iter(int, 1))
        elif path.endswith("/logs"):
            self._stream(self._log())
        else:
            listed = [{"Names": ["/cairn-t-w-0"]}] if path.endswith("/containers/json") else FOUND
            body = json.dumps({"ApiVersion": "1.41"} if path.endswith("/version") else listed).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _log(self) -> Iterator[bytes]:
        line = b"2026-01-01T00:00:01Z first\n"
        yield b"\x01\0\0\0" + len(line).to_bytes(4, "big") + line
        self.server.followed.set()
        threading.Event().wait()

    def _stream(self, pieces: Iterator[bytes]) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Silent."""


def test_the_socket_is_gone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions say that the engine is away; a log that was followed has not ended; then all goes on, events too."""
    monkeypatch.setattr(docker_events, "BACKOFF_S", (0.05,))
    path, changed = tmp_path / "docker.sock", queue.SimpleQueue[str]()
    first = Daemon(path)
    engine = DockerEngine("t", {}, f"unix://{path}")
    engine.watch(changed.put)
    event = {"time": 1, "Action": "start", "Actor": {"Attributes": {"name": "cairn-t-w-0", **LABELS}}}
    first.told.put(event)
    assert changed.get(timeout=10) == "job"
    log = engine.follow_logs("w-0")
    assert next(log)[1] == "first"
    first.end()
    with pytest.raises(Unavailable):
        next(log)
    with pytest.raises(Unavailable):
        engine.find({})
    path.unlink()
    with pytest.raises(Unavailable):
        engine.find({})
    time.sleep(AWAY_S)
    second = Daemon(path)
    assert [each.name for each in engine.find({})] == ["w-0"]
    second.told.put({**event, "time": 2})
    assert changed.get(timeout=10) == "job"
    log = engine.follow_logs("w-0")
    assert next(log)[1] == "first"
    second.end()
    with pytest.raises(Unavailable):
        next(log)
