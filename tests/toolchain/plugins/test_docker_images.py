"""Builds of the same Dockerfile, by whichever program, one after the other; pushes that wait for others."""

import fcntl
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.docker import engine as engines
from toolchain.plugins.docker.engine import Engine
from toolchain.plugins.docker.image import Image


class Builder(Engine):
    """An engine that notes what it builds."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def client(self) -> Any:
        """Itself."""
        return self

    def build(self, tag: str, **_: object) -> Iterator[dict[str, str]]:
        """At once."""
        self.built.append(tag)
        return iter([{"stream": "Step 1/1 : FROM scratch"}])

    def inspect_image(self, name: str) -> dict[str, str]:
        """It is there."""
        return {"Id": f"sha256:{name}", "Os": "linux", "Architecture": "amd64"}


@pytest.mark.parametrize("cancel", [False, True])
def test_a_build_waits_for_another_of_the_same_dockerfile(cancel: bool, tmp_path: Path) -> None:
    """It says so, goes on when the other is done, and can be given up meanwhile."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    waits, cancelled, engine = threading.Event(), threading.Event(), Builder()

    def status(text: str) -> None:
        if "waiting for another build" in text:
            waits.set()

    call = Call("urn::i", status, print, print, cancelled)
    inputs = {"imageName": "i:1", "skipPush": True, "build": {"context": str(tmp_path)}}
    with ThreadPoolExecutor(1) as pool:
        with (tmp_path / "Dockerfile").open("rb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            made = pool.submit(Image(engine).create, call, inputs)
            assert waits.wait(10)
            assert engine.built == []
            if cancel:
                cancelled.set()
                with pytest.raises(ProviderError, match="interrupted while waiting to build i:1"):
                    made.result(10)
        if not cancel:
            assert made.result(10).outputs["repoDigest"] == "sha256:i:1"
            assert engine.built == ["i:1"]


ANSWER_S, SILENCE_S = 2.0, 3.0  # a busy machine answers within the first
IMAGE = {"Id": "sha256:1", "Os": "linux", "Architecture": "amd64"}


class _Slow(BaseHTTPRequestHandler):
    """Docker's API, as far as a push needs it, of an engine that says nothing until others have pushed."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The version, or the image."""
        self._answer({"ApiVersion": "1.41"} if self.path.endswith("/version") else IMAGE)

    def do_POST(self) -> None:
        """Built at once, or pushed in the end."""
        while self.headers.get("Transfer-Encoding") == "chunked" and (size := int(self.rfile.readline(), 16)):
            self.rfile.read(size + 2)
        if "/build" in self.path:
            self._answer({"stream": "Step 1/1 : FROM scratch"})
        else:
            self._answer({"status": "Waiting"}, {"aux": {"Digest": "sha256:2"}})

    def log_message(self, *_: object) -> None:
        """No word of it."""

    def _answer(self, *messages: object) -> None:
        """One chunk each, and silence between them."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, message in enumerate(messages):
            time.sleep(SILENCE_S if number else 0)
            text = json.dumps(message).encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True


@contextmanager
def slow_engine() -> Iterator[str]:
    """Its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_push_waits_for_others_longer_than_for_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine pushes five layers at once and is silent about the sixth; anything else it answers in time."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    monkeypatch.setattr(engines, "TIMEOUT_SECONDS", ANSWER_S)
    with slow_engine() as address:
        engine = Engine()
        engine.configure({"host": address})
        call = Call("urn::i", print, print, print, threading.Event())
        inputs = {"imageName": "127.0.0.1:1/i:1", "build": {"context": str(tmp_path)}}
        assert Image(engine).create(call, inputs).outputs["repoDigest"] == "127.0.0.1:1/i@sha256:2"
        assert engine.client().timeout == ANSWER_S
