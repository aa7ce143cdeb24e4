"""Holds predictions for a deployed model that has no server up, until it has one. Runs in the agent.

The model may be asleep (scaled to zero), or its only replica was killed and is on its way back.

HAProxy sends to the holder, over a socket, what no server of the model can take (a `backup` server, config.py). The
holder keeps each request, tells whoever waits in `wakes`, and hands it to the first server that the table has and that
accepts; so it outlives reloads, which old workers of HAProxy do not. It is bounded in time and number.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from workloads.gateway.config import HOLDS, error_body
from workloads.gateway.hosts import whole
from workloads.gateway.routes import DeployedModel

LIMIT: Final = 512  # requests that are held at once, of all models
HEAD: Final = 1 << 17  # bytes of a request's head; more than HAProxy's buffer
PIECE: Final = 1 << 16
POLL_S: Final = 0.1
CONNECT_S: Final = 2.0
HEAD_S: Final = 30.0


class Holder:
    """Everything that is held.

    Args:
        find: the deployed model of a backend of HAProxy, and its endpoint's name; None when it is gone.
        domain: completes short host names (see hosts.py).
    """

    def __init__(self, find: Callable[[str], tuple[str, DeployedModel] | None], domain: str) -> None:
        self._find, self._domain = find, domain
        self._held: Counter[str] = Counter()
        self._number = 0
        self._changed = threading.Condition()

    def run(self, socket: Path) -> None:
        """Serve on this socket for ever."""
        socket.unlink(missing_ok=True)
        asyncio.run(self._run(socket))

    async def _run(self, socket: Path) -> None:
        server = await asyncio.start_unix_server(self._serve, socket, limit=HEAD)
        async with server:
            await server.serve_forever()

    def wakes(self, after: int, wait_s: float) -> dict[str, Any]:
        """The endpoints that requests are held for, once that is news; none when the time is over.

        Args:
            after: `number` of the answer before; news is whatever came since.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number != after, wait_s)
            number, names = self._number, [name for name, count in self._held.items() if count > 0]
        found = [self._find(name) for name in names] if number != after else []
        return {"number": number, "endpoints": sorted({each[0] for each in found if each})}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_S)
            name, head = taken(head)
            upstream = await self._hold(name, writer)
            if upstream:
                await _relay(head, (reader, writer), upstream)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return  # HAProxy hears it by the closed connection, and tries again or answers itself
        finally:
            writer.close()

    async def _hold(
        self, name: str, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to a server; None when it was refused instead."""
        if self._held.total() >= LIMIT:
            _refuse(writer, f"{LIMIT} predictions are held already for models without a server; try again later.")
            return None
        self._count(name, 1)
        try:
            start, longest = time.monotonic(), 0.0
            while (found := self._find(name)) and time.monotonic() - start <= (longest := found[1].hold_s):
                if upstream := await self._connect(found[1]):
                    return upstream
                await asyncio.sleep(POLL_S)
            _refuse(writer, _reason(found, longest))
            return None
        finally:
            self._count(name, -1)

    def _count(self, name: str, change: int) -> None:
        with self._changed:
            self._held[name] += change
            if change > 0 and self._held[name] == 1:
                self._number += 1
                self._changed.notify_all()

    async def _connect(self, model: DeployedModel) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for server in random.sample(model.servers, len(model.servers)):
            host, _, port = whole(server, self._domain).rpartition(":")
            try:
                return await asyncio.wait_for(asyncio.open_connection(host, int(port)), CONNECT_S)
            except (OSError, TimeoutError):
                continue
        return None


def _reason(found: tuple[str, DeployedModel] | None, longest: float) -> str:
    if found is None:
        return "The deployed model was undeployed while the prediction waited for it."
    endpoint, model = found
    why = model.reason or f"see `cairn logs {endpoint}` and `cairn status`."
    return f"Deployed model {model.id} of {endpoint} had no server, and none came within {longest:g} s: {why}"


def taken(head: bytes) -> tuple[str, bytes]:
    """The backend that a request's head names, and the head for a server, which is to close when it has answered.

    Raises:
        OSError: no backend is named: it is not HAProxy that asks.
    """
    first, *lines = head[: -len(b"\r\n\r\n")].split(b"\r\n")
    fields = [(line.partition(b":")[0].strip().lower(), line) for line in lines]
    named = [line.partition(b":")[2].strip().decode() for key, line in fields if key == HOLDS.lower().encode()]
    if not named:
        raise OSError("a request without the name of its backend")
    kept = [line for key, line in fields if key not in (HOLDS.lower().encode(), b"connection", b"keep-alive")]
    return named[0], b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _refuse(writer: asyncio.StreamWriter, text: str) -> None:
    body = error_body(503, text).encode()
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + body)


async def _relay(
    head: bytes,
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    """Both ways until the server has said all."""
    server[1].write(head)
    sending = asyncio.create_task(_pump(client[0], server[1]))
    try:
        await _pump(server[0], client[1])
    finally:
        sending.cancel()
        server[1].close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE):
        sink.write(piece)
        await sink.drain()
