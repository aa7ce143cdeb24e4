"""Sees an object change: a watch in a thread of its own, so that whoever waits can also count time and be cancelled."""

import json
import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.kinds import Kind

RETRY_SECONDS = 1.0
# The API server ends a watch after this time, and a new one begins.
WATCH_SECONDS = "240"


class Watch:
    """Gives each new version of an object, None when it is gone; reconnects until it is closed."""

    def __init__(self, cluster: Cluster, kind: Kind, namespace: str, name: str) -> None:
        self._cluster = cluster
        self._kind = kind
        self._where = (namespace, name)
        self._versions: queue.Queue[Properties | None] = queue.Queue()
        self._closed = threading.Event()
        self._stream: Any = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; a thread that still reads is woken."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.shutdown()

    def next(self, seconds: float) -> tuple[bool, Properties | None]:
        """Whether there is a new version within the time, and the newest one."""
        try:
            version = self._versions.get(timeout=seconds)
        except queue.Empty:
            return False, None
        while not self._versions.empty():
            version = self._versions.get()
        return True, version

    def _run(self) -> None:
        from urllib3.exceptions import HTTPError

        while not self._closed.is_set():
            try:
                self._follow()
            except (ProviderError, HTTPError, OSError, ValueError):
                # It was closed, or the server restarts: whoever waits has its own deadline.
                self._closed.wait(RETRY_SECONDS)

    def _follow(self) -> None:
        namespace, name = self._where
        obj = self._cluster.get(self._kind, namespace, name)
        self._versions.put(obj)
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "timeoutSeconds": WATCH_SECONDS}
        if obj is not None:
            query["resourceVersion"] = obj["metadata"]["resourceVersion"]
        stream = self._cluster.connection.stream(self._cluster.served(self._kind).path(namespace), query)
        self._stream = stream
        try:
            for event in _events(stream):
                if self._closed.is_set() or event["type"] == "ERROR":
                    return
                self._versions.put(None if event["type"] == "DELETED" else event["object"])
        finally:
            self._stream = None
            stream.close()


def _events(stream: Any) -> Iterator[Properties]:
    buffer = b""
    for chunk in stream.stream(65536):
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)
