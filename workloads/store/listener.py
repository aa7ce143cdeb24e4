"""LISTEN cairn: tells the controllers which rows changed. Used through Store.wait by one thread at a time."""

import threading
import time
from typing import Final

import psycopg

from workloads.store.database import Connection, Database

CHANNEL: Final = "cairn"


class Listener:
    """One connection that listens, made again when the database restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._lock = threading.Lock()

    def wait(self, timeout: float) -> set[str]:
        """Names changed since the last call; returns at the first ones, or empty after `timeout` seconds.

        What changed while the connection was down is not told: callers sweep every few seconds besides.
        """
        with self._lock:
            try:
                return self._wait(timeout)
            except psycopg.OperationalError:
                self._drop()
                time.sleep(min(timeout, 0.5))  # the database is away: no busy loop
                return set()

    def _wait(self, timeout: float) -> set[str]:
        if self._connection is None:
            self._connection = self._database.connect()
            self._connection.execute("LISTEN cairn")
        return {notify.payload for notify in self._connection.notifies(timeout=timeout, stop_after=1)}

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def close(self) -> None:
        """Stop listening."""
        with self._lock:
            self._drop()
