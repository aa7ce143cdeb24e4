"""One active controller at a time, by a session lock in PostgreSQL: it is free the moment its holder dies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from workloads.store.database import Connection, Database
from workloads.store.schema import ADVISORY_LEADER


class Leadership:
    """The lock while it is held."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def held(self) -> bool:
        """Whether the lock is still ours: lost with its connection. Ask before each round of work."""
        try:
            self._connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def _acquire(database: Database, poll_s: float) -> Connection:
    connection: Connection | None = None
    while True:
        try:
            connection = connection or database.connect()
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (ADVISORY_LEADER,)).fetchone()
            if row and row[0]:
                return connection
        except psycopg.OperationalError:
            connection = None  # the database is away: connect again
        time.sleep(poll_s)


@contextmanager
def leader(database: Database, poll_s: float) -> Iterator[Leadership]:
    """Wait until nobody else leads, lead within the block, and let go at its end."""
    connection = _acquire(database, poll_s)
    try:
        yield Leadership(connection)
    finally:
        connection.close()
