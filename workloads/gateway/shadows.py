"""Copies of predictions for shadows: deployed models that are asked and measured, but whose answers no client gets.

HAProxy draws which requests are copied and hands their bodies over once they are answered (channel.py). A copy goes to
HAProxy's own socket for shadows, and so to the shadow's servers like any other request: balanced, measured and, where
the original was logged, logged. Nobody waits for it: what a shadow can't keep up with is dropped and counted.
"""

import asyncio
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from workloads.gateway.measures import Measure, Measures, shown
from workloads.gateway.routes import Table
from workloads.gateway.splits import backend

SHADOW: Final = "X-Cairn-Shadow"  # the header that tells HAProxy the backend that a copy is for
REQUEST_ID: Final = "X-Cairn-Request-Id"  # and under which id the original was logged
LARGEST: Final = 47_000  # bytes of a body; in base64 it and the rest fit HAProxy's longest line (65,535)
AT_ONCE: Final = 32  # copies that a shadow is asked at a time
COPIES: Final = 128  # and how many of its copies there are at most, with those that wait: some 6 MB
ANSWER_S: Final = 60  # how long HAProxy waits for a shadow's answer
_LONGEST_S: Final = ANSWER_S + 15.0
_PIECE: Final = 1 << 16


@dataclass(frozen=True)
class Original:
    """A request that was answered.

    Attributes:
        measured: its line of measures.py.
        body: None where it is larger than LARGEST, or than `request_log.LARGEST` where it is logged.
    """

    measured: bytes
    body: bytes | None

    @property
    def endpoint(self) -> bytes:
        """The part of its backend's name that all backends of its endpoint have."""
        return self.measured.split(b" ")[0].rpartition(b".")[0]


@dataclass
class Shadow:
    """What one shadow has had.

    Attributes:
        before: what its model had been measured to have done already.
        copied: requests for which there was room; `dropped` has those of them that HAProxy did not take.
        live: how the originals of its copies were answered.
        too_large: requests that were to be copied and could not be.
        gate: lets AT_ONCE through.
    """

    before: Measure
    live: Measure = field(default_factory=Measure)
    since: float = field(default_factory=time.time)
    copied: int = 0
    dropped: int = 0
    too_large: int = 0
    pending: int = 0
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))


class Shadows:
    """All of them; safe to use from several threads.

    Args:
        socket: where HAProxy takes copies.
    """

    def __init__(self, measures: Measures, socket: Path) -> None:
        self._measures, self._socket = measures, socket
        self._lock = threading.Lock()
        self._found: dict[str, Shadow] = {}
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Send copies for ever."""
        self._loop.run_forever()

    def stop(self) -> None:
        """Give up what is under way: HAProxy waits for its answers before it ends."""
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def take(self, original: Original, ids: Iterable[str], request_id: str) -> None:
        """Copy an answered request to these deployed models of its endpoint, as far as each has room.

        Args:
            request_id: under which it was logged; "" if it was not.
        """
        for model_id in ids:
            name = f"{original.endpoint.decode('ascii')}.{model_id}"
            with self._lock:
                shadow = self._found.get(name) or Shadow(self._measures.copy(name))
                self._found[name] = shadow
                if original.body is None:
                    shadow.too_large += 1
                elif shadow.pending >= COPIES:
                    shadow.dropped += 1
                else:
                    shadow.copied += 1
                    shadow.pending += 1
                    shadow.live.take(original.measured, time.time())
                    request = _request(name, request_id, original.body)
                    self._loop.call_soon_threadsafe(self._begin, shadow, request)

    def _begin(self, shadow: Shadow, request: bytes) -> None:
        task = self._loop.create_task(self._send(shadow, request))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._end(shadow, task))

    async def _send(self, shadow: Shadow, request: bytes) -> None:
        async with shadow.gate:
            await asyncio.wait_for(_ask(self._socket, request), _LONGEST_S)

    def _end(self, shadow: Shadow, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with self._lock:
            shadow.pending -= 1
            shadow.dropped += task.cancelled() or task.exception() is not None

    def report(self, table: Table) -> dict[str, dict[str, Any]]:
        """By backend, what `GET /measures` tells of each shadow in the table; what is none any more is forgotten."""
        shares = {backend(each, model.id): model.shadow for each in table.endpoints for model in each.shadows}
        with self._lock:
            self._found = {name: shadow for name, shadow in self._found.items() if name in shares}
            return {name: self._shown(name, share) for name, share in shares.items()}

    def _shown(self, name: str, share: int) -> dict[str, Any]:
        now = self._measures.copy(name)
        shadow = self._found.get(name, Shadow(now))
        return {
            "percent": share,
            "since": shadow.since,
            "copied": shadow.copied,
            "dropped": shadow.dropped,
            "tooLarge": shadow.too_large,
            "own": shown(now.minus(shadow.before)),
            "live": shown(shadow.live),
        }


def _request(name: str, request_id: str, body: bytes) -> bytes:
    """What HAProxy is asked."""
    lines = ["POST / HTTP/1.1", "Host: shadow", "Connection: close", "Content-Type: application/json"]
    lines += [f"{SHADOW}: {name}", *([f"{REQUEST_ID}: {request_id}"] if request_id else [])]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("ascii") + body


async def _ask(socket: Path, request: bytes) -> None:
    """Send it and take the answer, which is nobody's."""
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(request)
        while await reader.read(_PIECE):
            pass
    finally:
        writer.close()
