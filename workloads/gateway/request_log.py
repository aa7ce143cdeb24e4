"""Sampled predictions on their way to the object store: what HAProxy tells of them, kept on disk until it is fetched.

HAProxy writes one message for each into a socket, over which it never waits: when that is full, the message is dropped.
The agent appends it to its endpoint's open segment, a file on the gateway's volume, at once and without a buffer of its
own. So what a kill of the gateway can lose is what lies in the socket (at most ROOM bytes, and there for milliseconds)
and the requests under way; what the machine's own crash can lose besides is the last SYNC_S seconds. Finished
segments go to whoever asks (the controllers), and are removed when they say so.
"""

import base64
import binascii
import json
import os
import socket
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workloads.gateway.splits import PREFIX

ROOM: Final = 1 << 20  # bytes in the socket; the kernel may give less (net.core.wmem_max)
LARGEST: Final = 24_000  # bytes of a body; two of them in base64 and the rest fit HAProxy's longest line (65,535)
SYNC_S: Final = 1.0
SEGMENT_S: Final = 10.0  # how long a segment is open
SEGMENT_BYTES: Final = 4 << 20
SPOOL_BYTES: Final = 256 << 20  # of one endpoint, while nobody fetches; what comes then is dropped
# What config.py adds to the line of measures.py: who it is about (`about`), both bodies, a mark that the line is whole.
FORMAT: Final = "%[var(txn.log)] %[var(txn.asked),base64] %[var(txn.answered),base64] ."
_FIELDS: Final = 8
_NONE: Final = b"-"  # how HAProxy writes what is not there
_OPEN: Final = ".open"
_DONE: Final = ".jsonl"


def about(endpoint: str, model_id: str, folder: str) -> str:
    """One word that a sampled request carries through HAProxy: whose it is and where it is to go."""
    known = {"endpoint": endpoint, "deployed_model_id": model_id, "folder": folder}
    return base64.b64encode(json.dumps(known).encode()).decode()


@dataclass(frozen=True)
class Record:
    """A prediction; the payloads are empty where a body is larger than LARGEST, compressed, or was cut off."""

    endpoint: str
    deployed_model_id: str
    folder: str
    request_payload: tuple[str, ...]
    response_payload: tuple[str, ...]

    def line(self, now: datetime) -> bytes:
        """As a segment has it; the columns are those of Vertex' table."""
        row = {
            "endpoint": self.endpoint,
            "deployed_model_id": self.deployed_model_id,
            "logging_time": now.isoformat(timespec="microseconds"),
            "request_id": str(uuid.uuid4()),
            "request_payload": self.request_payload,
            "response_payload": self.response_payload,
        }
        return json.dumps(row).encode() + b"\n"


def parse(message: bytes) -> Record:
    """The record in a message.

    Raises:
        ValueError: it was cut off, or is none.
    """
    fields = message.rstrip(b"\n").split(b" ")
    if len(fields) != _FIELDS or fields[-1] != b".":
        raise ValueError(f"{len(message)} bytes are no whole record")
    known: dict[str, str] = json.loads(base64.b64decode(fields[4], validate=True))
    return Record(**known, request_payload=_payload(fields[5]), response_payload=_payload(fields[6]))


def _payload(field: bytes) -> tuple[str, ...]:
    return () if field == _NONE else (base64.b64decode(field, validate=True).decode("utf-8", "replace"),)


class Spool:
    """The segments of all endpoints: files of JSON lines, the first of which says whose they are. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], _Segment] = {}
        self._refused: dict[str, float] = {}
        self.dropped = 0
        folder.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob(f"*{_OPEN}"):  # by an agent that was killed
            left.rename(left.with_suffix(_DONE))

    def add(self, record: Record, now: float) -> None:
        """Append the record; it outlives this process from here on."""
        key = (record.endpoint, record.folder)
        with self._lock:
            segment = self._open.get(key) or self._begin(record, now)
            if segment is None:
                self.dropped += 1
                return
            self._open[key] = segment
            segment.write(record.line(datetime.fromtimestamp(now, UTC)))

    def tend(self, now: float, *, is_over: bool = False) -> None:
        """Bring what was written to the disk, and finish segments that are old or large, or all."""
        with self._lock:
            for key, segment in list(self._open.items()):
                if is_over or segment.is_due(now):
                    segment.finish()
                    del self._open[key]
                elif now - segment.synced >= SYNC_S:
                    segment.sync(now)

    def names(self) -> list[str]:
        """Of finished segments, the oldest of each endpoint first."""
        return sorted(path.stem for path in self._folder.glob(f"*{_DONE}"))

    def read(self, name: str) -> bytes | None:
        """A finished segment; None if there is none of this name."""
        return (self._folder / f"{name}{_DONE}").read_bytes() if name in self.names() else None

    def remove(self, name: str) -> None:
        """A finished segment, if it is there."""
        if name in self.names():
            (self._folder / f"{name}{_DONE}").unlink(missing_ok=True)

    def report(self) -> dict[str, Any]:
        """What there is, and how many records were not kept since the agent's start."""
        return {"segments": self.names(), "dropped": self.dropped}

    def _begin(self, record: Record, now: float) -> "_Segment | None":
        """A new segment, unless the endpoint has too much on the disk."""
        endpoint = record.endpoint.rsplit("/", 1)[1]
        if now - self._refused.get(endpoint, 0.0) < SYNC_S:
            return None
        if sum(path.stat().st_size for path in self._folder.glob(f"{endpoint}.*")) >= SPOOL_BYTES:
            self._refused[endpoint] = now
            return None
        head = json.dumps({"endpoint": record.endpoint, "folder": record.folder})
        return _Segment(self._folder / f"{endpoint}.{time.time_ns()}{_OPEN}", head.encode() + b"\n", now)


class _Segment:
    """A file that is being written."""

    def __init__(self, path: Path, head: bytes, now: float) -> None:
        self._path, self._began, self.synced = path, now, now
        path.write_bytes(head)
        self._file = path.open("ab", buffering=0)
        self._size = len(head)

    def write(self, line: bytes) -> None:
        self._size += self._file.write(line)

    def is_due(self, now: float) -> bool:
        return self._size >= SEGMENT_BYTES or now - self._began >= SEGMENT_S

    def sync(self, now: float) -> None:
        os.fdatasync(self._file.fileno())
        self.synced = now

    def finish(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(self._path.with_suffix(_DONE))


class Channel:
    """What HAProxy's workers, old and new, write to: a message is there whole or not at all."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self._reader.settimeout(SYNC_S / 4)

    @property
    def writer(self) -> int:
        """The file descriptor that HAProxy is to inherit."""
        return self._writer.fileno()

    def read(self) -> None:
        """Keep records until every writer has ended."""
        while (message := self._receive()) != b"":
            if message is not None:
                self._keep(message)
            self._spool.tend(time.time())
        self._reader.close()
        self._spool.tend(time.time(), is_over=True)

    def _receive(self) -> bytes | None:
        try:
            return self._reader.recv(1 << 17)
        except TimeoutError:
            return None

    def _keep(self, message: bytes) -> None:
        if not message.startswith(PREFIX.encode()):
            return  # a notice of HAProxy's own, that it starts or stops
        try:
            self._spool.add(parse(message), time.time())
        except (ValueError, TypeError, binascii.Error, OSError) as error:
            self._spool.dropped += 1
            print(f"gateway: a logged prediction is lost: {error}", flush=True)

    def close(self) -> None:
        """Let `read` end once it has read all."""
        self._writer.close()
