"""What predictions cost, by deployed model: HAProxy's log lines, one for each prediction, added up by the agent.

They come through a pipe, over which neither side waits for the other. Counts live as long as the agent's process, over
every reload; `since` tells a reader when they began. At a reload a request or two may be missing (13 of
3,600 over 15 reloads): HAProxy's old worker ends without a word on its connections' last ones.
"""

import fcntl
import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from workloads.gateway.routes import Table
from workloads.gateway.splits import backend

# Upper bounds of the histogram's parts, ms: each a fifth above the one before, as far as whole ms can be; what took
# longer is in one part more.
BOUNDS_MS: Final = tuple(sorted({round(1.2**power) for power in range(63)}))  # 1, 2, 3, 4, 5, 6, 7, 9 … 81140
_ROOM: Final = 1 << 20  # bytes; the most that a pipe may have without privileges: some 30,000 lines
# Between two looks into the pipe: waking up for each line would cost a prediction some 60 µs of the machine's time.
_PAUSE_S: Final = 0.02
FIRST_SERVER_ERROR: Final = 500
HOLDER: Final = "hold"  # the server's name that stands for the holder (holder.py): what waited there tells no latency
# As config.py has HAProxy write it: backend, status, ms from the request's first byte to the answer's last, server.
FORMAT: Final = "%[var(txn.backend)] %ST %Ta %s"


@dataclass
class Measure:
    """Of one deployed model, since the agent's start.

    Attributes:
        busy_ms: the sum of all latencies: divided by a time, how many were answered at once.
        errors: answers of 500 and more, the gateway's own among them.
        last_request: seconds since 1970; 0 before the first.
        latency: how many requests in each part of BOUNDS_MS, and the one beyond; those that were held are left out.
    """

    requests: int = 0
    errors: int = 0
    busy_ms: int = 0
    last_request: float = 0.0
    latency: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))

    def add(self, status: int, ms: int, now: float, *, was_held: bool = False) -> None:
        """One more request."""
        self.requests += 1
        self.errors += status >= FIRST_SERVER_ERROR
        self.last_request = now
        if not was_held:
            self.busy_ms += ms
            self.latency[bisect_left(BOUNDS_MS, ms)] += 1

    def take(self, line: bytes, now: float) -> None:
        """The request of a log line, unless HAProxy can't say its answer's status or time."""
        status, ms, server = (*line.decode("ascii", "replace").split()[1:], "", "", "")[:3]
        if status.isdigit() and ms.isdigit():
            self.add(int(status), int(ms), now, was_held=server == HOLDER)

    def minus(self, before: "Measure") -> "Measure":
        """What came after an earlier reading."""
        latency = [now - then for now, then in zip(self.latency, before.latency, strict=True)]
        requests, errors = self.requests - before.requests, self.errors - before.errors
        return Measure(requests, errors, self.busy_ms - before.busy_ms, self.last_request, latency)


class Measures:
    """All of them; safe to use from several threads."""

    def __init__(self) -> None:
        self.since = time.time()
        self._lock = threading.Lock()
        self._found: defaultdict[str, Measure] = defaultdict(Measure)

    def take(self, lines: list[bytes], now: float) -> None:
        """Add log lines."""
        with self._lock:
            for line in lines:
                name = line.partition(b" ")[0].decode("ascii", "replace")
                self._found[name].take(line, now)

    def copy(self, name: str) -> Measure:
        """Of a backend, as it is now."""
        with self._lock:
            found = self._found.get(name, Measure())
            return replace(found, latency=list(found.latency))

    def report(
        self, table: Table, in_flight: Mapping[str, int], shadows: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """As `GET /measures` answers: of the models in the table, and no others.

        Args:
            in_flight: by backend, requests that are being answered or wait.
            shadows: by backend, what is told besides of those that are shadows.
        """
        with self._lock:
            models = [
                {
                    "endpoint": endpoint.name,
                    "id": model.id,
                    "inFlight": in_flight.get(name, 0),
                    **shown(self._found.get(name, Measure())),
                    **({"shadow": shadows[name]} if name in shadows else {}),
                }
                for endpoint in table.endpoints
                for model in endpoint.deployed_models
                for name in [backend(endpoint, model.id)]
            ]
        return {"since": self.since, "boundsMs": list(BOUNDS_MS), "models": models}


def shown(measure: Measure) -> dict[str, Any]:
    """As `GET /measures` has it."""
    return {
        "requests": measure.requests,
        "errors": measure.errors,
        "busyMs": measure.busy_ms,
        "lastRequest": measure.last_request,
        "latency": list(measure.latency),
    }


def in_flight(statistics: str) -> dict[str, int]:
    """By backend, sessions and queued requests in the CSV of HAProxy's `show stat`. Pure.

    A worker that has ended since it was listed answers with words instead: it has nothing under way.
    """
    if not statistics.startswith("# pxname"):
        return {}
    header, *rows = [line for line in statistics.lstrip("# ").splitlines() if line]
    names = header.split(",")
    found = (dict(zip(names, row.split(","), strict=False)) for row in rows)
    return {row["pxname"]: int(row["scur"] or 0) + int(row["qcur"] or 0) for row in found if row["svname"] == "BACKEND"}


class Pipe:
    """What HAProxy's workers, old and new, write their lines to; a line that finds it full is dropped, not waited for.

    The agent holds both ends, so that it stays open from worker to worker.
    """

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._reader, self._writer = os.pipe()
        fcntl.fcntl(self._writer, fcntl.F_SETPIPE_SZ, _ROOM)

    @property
    def writer(self) -> int:
        """The file descriptor that HAProxy is to inherit."""
        return self._writer

    def read(self) -> None:
        """Take lines, as many at once as there are, until the process or every writer ends."""
        rest = b""
        while piece := os.read(self._reader, _ROOM):
            *lines, rest = (rest + piece).split(b"\n")
            self._measures.take(lines, time.time())
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """Let `read` end once it has read all."""
        os.close(self._writer)
