"""Sampled predictions on their way to the object store: what HAProxy tells of them, kept on disk until it is fetched.

They come over a socket (channel.py). Each is appended to its endpoint's open segment, a file on the gateway's volume,
at once and without a buffer in between. So what a kill of the gateway can lose is what lies in the socket (at most
1 MiB, there for milliseconds) and the requests under way; what the machine's own crash can lose besides is the last
SYNC_S seconds. Finished segments go to whoever asks (the controllers), and are removed when they say so.
"""

import base64
import json
import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

LARGEST: Final = 24_000  # bytes of a body; two of them in base64 and the rest fit HAProxy's longest line (65,535)
SYNC_S: Final = 1.0
SEGMENT_S: Final = 10.0  # how long a segment is open
SEGMENT_BYTES: Final = 4 << 20
SPOOL_BYTES: Final = 256 << 20  # of one endpoint, while nobody fetches; what comes then is dropped
_OPEN: Final = ".open"
_DONE: Final = ".jsonl"


def about(endpoint: str, model_id: str, folder: str, added: int) -> str:
    """One word that a sampled request carries through HAProxy: whose it is and where it is to go.

    With `added`, how many bytes of a successful answer the platform had its server add.
    """
    known = {"endpoint": endpoint, "deployed_model_id": model_id, "folder": folder, "added": added}
    return base64.b64encode(json.dumps(known).encode()).decode()


@dataclass(frozen=True)
class Record:
    """A prediction; the payloads are empty where a body is larger than LARGEST, compressed, or was cut off.

    Attributes:
        request_id: a shadow's answer has the one of the answer that the client got.
    """

    endpoint: str
    deployed_model_id: str
    folder: str
    request_payload: tuple[str, ...]
    response_payload: tuple[str, ...]
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def line(self, now: datetime) -> bytes:
        """As a segment has it; the columns are those of Vertex' table."""
        row = {
            "endpoint": self.endpoint,
            "deployed_model_id": self.deployed_model_id,
            "logging_time": now.isoformat(timespec="microseconds"),
            "request_id": self.request_id,
            "request_payload": self.request_payload,
            "response_payload": self.response_payload,
        }
        return json.dumps(row).encode() + b"\n"


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
