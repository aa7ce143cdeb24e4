"""Requests at a fixed rate, whether or not those before are answered: what clients feel who don't wait for each other.

A latency counts from when its request was due, so a server that falls behind can't hide it, and neither can this
program. It needs some 30 µs for a request, at the same rate for all contenders.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

CONNECTIONS: Final = 64  # at most; what is due beyond waits for one
LONGEST_S: Final = 60.0  # for what a server that can't keep up still owes
END_OF_HEAD: Final = b"\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """One request, as bytes, and where it goes.

    Attributes:
        url: http://host:port/path.
        headers: lines besides Host and the body's.
    """

    url: str
    body: bytes
    headers: tuple[str, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return str(parts.hostname), int(parts.port or 80)

    @property
    def request(self) -> bytes:
        """The whole request."""
        parts = urlsplit(self.url)
        about = ("Content-Type: application/json", f"Content-Length: {len(self.body)}")
        lines = (f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", *about, *self.headers)
        return "\r\n".join((*lines, "", "")).encode() + self.body


@dataclass
class _Run:
    """What all connections share: the requests that are due, and what came of them.

    Attributes:
        until: as long as that (perf_counter), a connection has a request that is due whenever it is idle.
    """

    request: bytes
    idle: "list[_Connection]" = field(default_factory=list)
    due: deque[float] = field(default_factory=deque)
    latencies: list[float] = field(default_factory=list)
    failed: int = 0
    wanted: int = 0
    until: float = 0.0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, latency: float | None) -> None:
        """One request is answered, or (None) failed."""
        if latency is None:
            self.failed += 1
        else:
            self.latencies.append(latency)
        if len(self.latencies) + self.failed == self.wanted:
            self.over.set()

    def next(self) -> None:
        """Give what is due to who is idle."""
        if self.until and (now := time.perf_counter()) < self.until:
            self.due.extend(now for _ in self.idle)
        while self.due and self.idle:
            self.idle.pop().send(self.due.popleft())


class _Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run, self._since, self._answer = run, 0.0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._run.idle.append(self)

    def send(self, due: float) -> None:
        self._since = due
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(END_OF_HEAD)
        if not found or len(body) < _length(head):
            return
        self._run.settle(time.perf_counter() - self._since if head.startswith(b"HTTP/1.1 200 ") else None)
        self._answer = b""
        self._run.idle.append(self)
        self._run.next()

    def connection_lost(self, exc: Exception | None) -> None:
        if self not in self._run.idle:
            self._run.settle(None)  # with a request under way
        else:
            self._run.idle.remove(self)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError(f"an answer without content-length: {head!r}")


def at_rate(target: Target, rate: float, seconds: float) -> list[float]:
    """Latencies in seconds, at so many requests a second.

    Raises:
        RuntimeError: a request was not answered with 200.
        TimeoutError: the last answers took longer than LONGEST_S.
    """
    return asyncio.run(_run(target, rate, seconds, CONNECTIONS)).latencies


def at_most(target: Target, seconds: float, connections: int = 16) -> float:
    """The rate when each of so many connections asks again as soon as it has its answer.

    Raises:
        RuntimeError: a request was not answered with 200.
    """
    run = asyncio.run(_run(target, float("inf"), seconds, connections))
    return len(run.latencies) / seconds


async def _run(target: Target, rate: float, seconds: float, connections: int) -> _Run:
    run, loop = _Run(target.request), asyncio.get_running_loop()
    made = [(await loop.create_connection(lambda: _Connection(run), *target.address))[0] for _ in range(connections)]
    start = time.perf_counter()
    if rate == float("inf"):
        await _busy(run, start + seconds)
    else:
        await _steady(run, start, rate, int(rate * seconds))
    for transport in made:
        transport.close()
    if run.failed:
        raise RuntimeError(f"{run.failed} requests to {target.url} were not answered with 200")
    return run


async def _steady(run: _Run, start: float, rate: float, count: int) -> None:
    run.wanted = count
    for number in range(count):
        due = start + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        elif number % 16 == 0:
            await asyncio.sleep(0)  # late: answers must be read all the same
        run.due.append(due)
        run.next()
    await asyncio.wait_for(run.over.wait(), LONGEST_S)


async def _busy(run: _Run, end: float) -> None:
    """Run only for an answer: to look for idle connections all the time would take a core from the servers."""
    run.until = end
    run.next()
    await asyncio.sleep(end - time.perf_counter())
