"""The holder over a real socket: held until there is a server, refused after the bound, and told to who waits."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.controllers import eventually
from workloads.gateway import holder
from workloads.gateway.holder import Holder, taken
from workloads.gateway.routes import DeployedModel

ENDPOINT = "projects/p/locations/l/endpoints/9"
HEAD = (
    b"POST /p HTTP/1.1\r\nHost: x\r\nX-Cairn-Holds: model.9.1\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"
)


class Table:
    """The router's table, which a test changes."""

    def __init__(self) -> None:
        self.servers: tuple[str, ...] = ()
        self.hold_s, self.reason = 5.0, ""

    def find(self, name: str) -> tuple[str, DeployedModel] | None:
        """One model."""
        model = DeployedModel("1", 100, "m", "1", "d", "/p", self.servers, self.hold_s, self.reason)
        return (ENDPOINT, model) if name == "model.9.1" else None


@pytest.fixture
def table() -> Table:
    """Without a server."""
    return Table()


@pytest.fixture
def held(table: Table) -> Holder:
    """A holder of that table."""
    return Holder(table.find, "")


def listens(path: Path) -> bool:
    """A socket's file is there a moment before anybody listens on it."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


@pytest.fixture
def ask(held: Holder, tmp_path: Path) -> Callable[[bytes], bytes]:
    """Send what HAProxy sends; gives all that is answered."""
    path = tmp_path / "h.sock"
    threading.Thread(target=held.run, args=(path,), daemon=True).start()
    assert eventually(lambda: listens(path))

    def ask(request: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(path))
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(1 << 16):
                answer += piece
            return answer

    return ask


@pytest.fixture
def server() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers what it was asked, once for each connection."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(2))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    listening = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    threading.Thread(target=loop.run_forever, daemon=True).start()
    yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}", seen
    loop.call_soon_threadsafe(loop.stop)


def test_held_until_there_is_a_server(
    table: Table, held: Holder, ask: Callable[[bytes], bytes], server: tuple[str, list[bytes]]
) -> None:
    """Two requests wait, the endpoint is told once, and both are answered when a server comes; one is refused first."""
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(HEAD))) for _ in range(2)]
    for thread in threads:
        thread.start()
    news = held.wakes(0, 5)
    assert news == {"number": 1, "endpoints": [ENDPOINT]}
    assert held.wakes(1, 0.1) == {"number": 1, "endpoints": []}
    time.sleep(0.3)
    assert answers == []
    table.servers = ("127.0.0.1:1", server[0])  # nobody listens on the first
    for thread in threads:
        thread.join(10)
    assert [answer.endswith(b"hi") for answer in answers] == [True, True]
    for request in server[1]:
        assert request.startswith(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")


def test_refused_after_the_bound(table: Table, ask: Callable[[bytes], bytes]) -> None:
    """A 503 in Google's error model says how long it was and what the controllers say; so for an undeployed one."""
    table.hold_s, table.reason = 0.2, "There is no room."
    head, _, body = ask(HEAD).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    error = json.loads(body)["error"]
    assert error["status"] == "UNAVAILABLE"
    assert "none came within 0.2 s: There is no room." in error["message"]
    assert b"was undeployed" in ask(HEAD.replace(b"model.9.1", b"model.9.2"))


def test_bounded_in_number(monkeypatch: pytest.MonkeyPatch, table: Table, ask: Callable[[bytes], bytes]) -> None:
    """Beyond the most that are held, a request is refused at once."""
    monkeypatch.setattr(holder, "LIMIT", 0)
    start = time.monotonic()
    assert b"0 predictions are held already" in ask(HEAD)
    assert time.monotonic() - start < 2


def test_whoever_names_no_backend_is_cut_off(ask: Callable[[bytes], bytes]) -> None:
    """Only HAProxy's requests are held: others get no answer."""
    assert ask(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
    with pytest.raises(OSError, match="without the name"):
        taken(b"GET / HTTP/1.1\r\n\r\n")
