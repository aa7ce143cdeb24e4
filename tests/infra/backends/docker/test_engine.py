"""Asking the engine: what it says is understood, and an engine that can't be asked is "not known"."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from infra.backends.docker import engine

INFO = {
    "NCPU": 4,
    "MemTotal": 8 * 2**30,
    "Runtimes": {"runc": {}},
    "OperatingSystem": "Debian",
    "SecurityOptions": [],
    "DockerRootDir": "/engine",
}
ANSWERS: dict[str, Any] = {
    "/info": INFO,
    "/version": {"ApiVersion": "1.41"},
    "/containers/json": [{"Ports": [{"PublicPort": 8080, "PrivatePort": 80}, {"PrivatePort": 81}]}],
}


class _Handler(BaseHTTPRequestHandler):
    """Answers as an engine does."""

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.split("?")[0])
        body = json.dumps(answer).encode()
        self.send_response(200 if answer is not None else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def socket_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An engine's socket, named by DOCKER_HOST."""
    path = tmp_path / "engine.sock"
    with socketserver.UnixStreamServer(str(path), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        yield path
        server.shutdown()
        thread.join()


def test_what_it_says(socket_file: Path) -> None:
    """Size, API, GPUs, the stack's own ports and the socket's group."""
    found = engine.inspect("test")
    assert found is not None
    assert (found.cpus, found.memory_mib, found.api, found.gpus) == (4, 8192, (1, 41), False)
    assert found.root == "/engine"
    assert found.own_ports == {8080}
    assert (found.socket, found.socket_group) == (str(socket_file), str(socket_file.stat().st_gid))


@pytest.mark.parametrize("change", [{"OperatingSystem": "Docker Desktop"}, {"SecurityOptions": ["name=rootless"]}])
def test_engines_in_a_machine_of_their_own(
    socket_file: Path, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the socket inside containers is root's, at its usual place."""
    monkeypatch.setitem(ANSWERS, "/info", {**INFO, **change})
    found = engine.inspect("test")
    assert found is not None
    assert (found.socket, found.socket_group) == ("/var/run/docker.sock", "0")


def test_nvidia_runtime(socket_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NVIDIA runtime means GPUs."""
    monkeypatch.setitem(ANSWERS, "/info", {**INFO, "Runtimes": {"nvidia": {}}})
    found = engine.inspect("test")
    assert found is not None
    assert found.gpus


def test_failing_engine_is_not_known(socket_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that answers with an error is not judged."""
    monkeypatch.delitem(ANSWERS, "/info")
    assert engine.inspect("test") is None


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:2375", "unix:///gone/engine.sock", "ssh://somewhere"])
def test_engine_out_of_reach_is_not_known(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP, SSH and a missing socket are not judged either."""
    monkeypatch.setenv("DOCKER_HOST", host)
    assert engine.inspect("test") is None
