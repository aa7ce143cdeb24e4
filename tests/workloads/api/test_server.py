"""The API's end while clients ask: each is answered, or was never heard."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

from tests.support.environment import ROOT
from tests.support.versitygw import free_port

# Each turn of its loop takes long, as on a busy machine: so connections wait to be accepted, and requests to be read.
PROGRAM = """
import sys, time, uvicorn
from workloads.api.server import Server

async def app(scope, receive, send):
    time.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

config = uvicorn.Config(app, "127.0.0.1", int(sys.argv[1]), log_level="error", lifespan="off")
Server(config).run(sockets=[config.bind_socket()])
"""
REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def asked(port: int) -> str:
    """How one request on a connection of its own went."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=0.8)
    except OSError:
        return "not heard"
    with connection:
        connection.settimeout(5)
        try:
            connection.sendall(REQUEST)
            return "answered" if connection.recv(1000).startswith(b"HTTP/1.1 200") else "lost"
        except OSError:
            return "lost"


def ended_under_load() -> Counter[str]:
    """How requests went around the end of a server."""
    port, environment = free_port(), {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(port)], env=environment) as server:
        deadline = time.monotonic() + 30
        while asked(port) != "answered":
            assert time.monotonic() < deadline
        seen, over = Counter[str](), threading.Event()

        def ask() -> None:
            while not over.is_set():
                seen[asked(port)] += 1

        clients = [threading.Thread(target=ask) for _ in range(16)]
        for each in clients:
            each.start()
        time.sleep(0.5)
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        over.set()
        for each in clients:
            each.join(10)
    return seen


def test_no_request_is_lost_when_the_server_ends() -> None:
    """Of sixteen clients at most one sends a request that is neither answered nor was refused a connection.

    One, since the kernel may take a connection between the last look at those that wait and the close.
    With uvicorn's own Server fifteen or all of them do, since all have a request under way.
    """
    seen = ended_under_load()
    assert seen["answered"] > 16
    assert seen["not heard"] > 0
    assert seen["lost"] <= 1, seen
