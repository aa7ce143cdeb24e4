"""Turns the gateway's segments of logged predictions into Parquet in the object store. A thread of its own.

A segment is taken away from the gateway only once its object is there. The object is named by the segment: whoever dies
in between leaves a segment that is written again, over the same object, so nothing is lost and nothing is there twice.
"""

import io
import json
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final, Protocol

from workloads import tokens
from workloads.config import PlatformConfig
from workloads.controllers.platform import own_token
from workloads.plans import request_logs

LOG: Final = logging.getLogger(__name__)
PAUSE_S: Final = 3.0
TIMEOUT_S: Final = 60.0


class Segments(Protocol):
    """The gateway's agent, as far as this needs it."""

    def segments(self) -> Any:
        """{"segments": their names, "dropped": records that the gateway did not keep}."""

    def segment(self, name: str) -> bytes:
        """A segment: lines of JSON, the first of which says whose it is."""

    def remove_segment(self, name: str) -> None:
        """It is in the object store."""


class RequestLogs:
    """Moves segments.

    Args:
        put: writes an object, over the one that is there: its gs:// URI, its bytes.
    """

    def __init__(self, gateway: Segments, put: Callable[[str, bytes], None]) -> None:
        self._gateway, self._put = gateway, put
        self._dropped = 0

    def run(self) -> None:
        """For ever."""
        while True:
            try:
                self.once()
            except Exception as error:  # noqa: BLE001  whatever it is, the segments are kept and tried again
                LOG.warning("logged predictions stay at the gateway: %s", error)
            time.sleep(PAUSE_S)

    def once(self) -> int:
        """Move every segment that can be moved; how many. One that can't holds up no other."""
        report, moved = self._gateway.segments(), 0
        if report["dropped"] > self._dropped:
            LOG.warning("the gateway did not keep %d predictions that were to be logged", report["dropped"])
        self._dropped = report["dropped"]
        for name in report["segments"]:
            try:
                self._move(name)
                moved += 1
            except StorageRefused as error:
                LOG.warning("segment %s of logged predictions stays at the gateway: %s", name, error)
        return moved

    def _move(self, name: str) -> None:
        head, *rows = [*lines(self._gateway.segment(name))] or [{}]
        if rows and "folder" in head:
            self._put(request_logs.object_uri(head["endpoint"], head["folder"], name), parquet(rows))
        self._gateway.remove_segment(name)


def lines(segment: bytes) -> Iterator[Any]:
    """The lines that are whole: a crash of the machine, or a full disk, may have torn one."""
    for line in segment.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            LOG.warning("a logged prediction was torn on the gateway's volume and is lost: %r…", line[:80])


def parquet(rows: list[Any]) -> bytes:
    """The rows with the columns of Vertex' table of requests and responses."""
    import pyarrow as pa  # here: a stack that logs no predictions has no need of its memory
    import pyarrow.parquet as pq

    payload = pa.list_(pa.string())
    columns = {
        "endpoint": pa.string(),
        "deployed_model_id": pa.string(),
        "logging_time": pa.timestamp("us", tz="UTC"),
        "request_id": pa.string(),
        "request_payload": payload,
        "response_payload": payload,
    }
    timed = [{**row, "logging_time": datetime.fromisoformat(row["logging_time"])} for row in rows]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(timed, pa.schema(columns)), file, compression="zstd")
    return file.getvalue()


class StorageRefused(Exception):
    """The stack's storage did not take an object, and says why."""


class Objects:
    """The stack's Cloud Storage API, as the gateway's clients see it."""

    def __init__(self, config: PlatformConfig, keys: tokens.Keys) -> None:
        self._config, self._keys = config, keys

    def put(self, uri: str, content: bytes) -> None:
        """Write the object.

        Raises:
            StorageRefused: its bucket is not there, or the storage does not answer.
        """
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        token = own_token(self._config, self._keys)
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/vnd.apache.parquet"}
        url = f"{self._config.gateway_url}/upload/storage/v1/b/{bucket}/o?{query}"
        request = urllib.request.Request(url, content, headers, method="POST")  # noqa: S310  the stack's own setting
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
                return
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            raise StorageRefused(f"{uri}: {error.code}: {said}") from error
        except OSError as error:
            raise StorageRefused(f"{uri}: the storage does not answer: {error}") from error
