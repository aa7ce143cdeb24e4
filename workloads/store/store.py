"""Resources as rows in PostgreSQL, for the API and the controllers. Every change tells the others (NOTIFY cairn)."""

import copy
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from workloads.store import errors, leader
from workloads.store.audit import Audit
from workloads.store.database import Connection, Database
from workloads.store.listener import CHANNEL, Listener
from workloads.store.logs import CAP_BYTES, Logs
from workloads.store.resource import Json, LogLine, Resource, collection_of
from workloads.store.sealing import Seal
from workloads.store.secrets import Secrets

# Columns in the order of Resource's attributes.
INSERT: Final = """
    INSERT INTO resources (name, collection, message, status) VALUES (%s, %s, %s, %s)
    RETURNING name, collection, message, status, version, create_time, update_time"""
SELECT: Final = """
    SELECT name, collection, message, status, version, create_time, update_time FROM resources WHERE name = %s"""
SELECT_FOR_UPDATE: Final = """
    SELECT name, collection, message, status, version, create_time, update_time FROM resources WHERE name = %s
    FOR UPDATE"""
UPDATE: Final = """
    UPDATE resources SET message = %(message)s, status = %(status)s, version = version + %(is_new)s::int,
           update_time = CASE WHEN %(is_new)s THEN clock_timestamp() ELSE update_time END
    WHERE name = %(name)s RETURNING name, collection, message, status, version, create_time, update_time"""
LIST: Final = """
    SELECT name, collection, message, status, version, create_time, update_time FROM resources
    WHERE collection = %(collection)s
      AND (%(parent)s::text IS NULL OR parent = %(parent)s)
      AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s))
      AND (%(time)s::timestamptz IS NULL OR (create_time, name) < (%(time)s, %(name)s))
    ORDER BY create_time DESC, name DESC LIMIT %(limit)s"""
OLDEST: Final = """
    SELECT name, collection, message, status, version, create_time, update_time FROM resources
    WHERE collection = %(collection)s AND state = %(state)s
      AND (%(time)s::timestamptz IS NULL OR (create_time, name) > (%(time)s, %(name)s))
    ORDER BY create_time, name LIMIT %(limit)s"""
Resources = list[Resource]
LogLines = list[LogLine]
Change = Callable[[Json, Json], None]


def _notify(connection: Connection, name: str) -> None:
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, name))


def _resource(row: tuple[Any, ...] | None, name: str) -> Resource:
    if row is None:
        raise errors.NotFound(f"{name} does not exist")
    return Resource(*row)


class Store:
    """The rows. Safe to use from several threads; `wait` by one at a time."""

    def __init__(
        self,
        conninfo: str,
        *,
        wait_s: float = 60.0,
        max_connections: int = 8,
        log_cap_bytes: int = CAP_BYTES,
        seal: Seal | None = None,
    ) -> None:
        """Connect, wait up to `wait_s` for a database that is still starting, and bring its schema forward."""
        self._database = Database(conninfo, wait_s, max_connections)
        self._listener = Listener(self._database)
        self._logs = Logs(self._database, log_cap_bytes)
        self.audit = Audit(self._database)
        self.secrets = Secrets(self._database, seal)

    @staticmethod
    def new_id() -> str:
        """A resource id as Vertex makes them: 19 digits."""
        return str(10**18 + secrets.randbelow(8 * 10**18))

    def create(self, name: str, message: Json, status: Json | None = None) -> Resource:
        """A new row; its collection is the name's last segment but one.

        Raises:
            errors.AlreadyExists: the name is taken.
        """
        values = (name, collection_of(name), Jsonb(message), Jsonb(status or {}))
        try:
            with self._database.transaction() as connection:
                row = connection.execute(INSERT, values).fetchone()
                _notify(connection, name)
        except psycopg.errors.UniqueViolation as error:
            raise errors.AlreadyExists(f"{name} exists already") from error
        return _resource(row, name)

    def get(self, name: str) -> Resource:
        """The row.

        Raises:
            errors.NotFound: there is none.
        """
        with self._database.connection() as connection:
            row = connection.execute(SELECT, (name,)).fetchone()
        return _resource(row, name)

    def list(
        self,
        collection: str,
        *,
        parent: str | None = None,
        states: Sequence[str] | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int | None = None,
    ) -> Resources:
        """Rows of a collection, newest first.

        Args:
            parent: only those directly under it (projects/P/locations/L).
            states: only those in one of these states; operations are RUNNING or DONE.
            after: only those that follow this (create_time, name) in the list: where the last page ended.
        """
        time, name = after or (None, None)
        values = {"collection": collection, "parent": parent, "states": None if states is None else [*states]}
        with self._database.connection() as connection:
            rows = connection.execute(LIST, {**values, "time": time, "name": name, "limit": limit}).fetchall()
        return [Resource(*row) for row in rows]

    def oldest(self, collection: str, state: str, limit: int, after: tuple[datetime, str] | None = None) -> Resources:
        """The collection's first rows in a state, oldest first, those after this (create_time, name)."""
        time, name = after or (None, None)
        values = {"collection": collection, "state": state, "time": time, "name": name, "limit": limit}
        with self._database.connection() as connection:
            return [Resource(*row) for row in connection.execute(OLDEST, values).fetchall()]

    def update(self, name: str, change: Change, etag: str | None = None) -> Resource:
        """Let `change(message, status)` edit the row in place, in one transaction that holds it.

        A change that changes nothing writes nothing and notifies nobody. Only a changed message makes a new version and
        update time: what controllers note for themselves must not outdate a client's etag. Raise in it to give up.

        Raises:
            errors.NotFound: there is no such row.
            errors.Aborted: `etag` is given and not the row's.
        """
        with self._database.transaction() as connection:
            old = _resource(connection.execute(SELECT_FOR_UPDATE, (name,)).fetchone(), name)
            if etag and etag != old.etag:
                raise errors.Aborted(f"{name} has etag {old.etag!r}, not {etag!r}: read it again, then change it")
            message, status = copy.deepcopy(old.message), copy.deepcopy(old.status)
            change(message, status)
            if (message, status) == (old.message, old.status):
                return old
            is_new = message != old.message
            values = {"message": Jsonb(message), "status": Jsonb(status), "is_new": is_new, "name": name}
            row = connection.execute(UPDATE, values).fetchone()
            _notify(connection, name)
        return _resource(row, name)

    def delete(self, name: str, etag: str | None = None) -> None:
        """Remove the row and its logs.

        Raises:
            errors.NotFound: there is none.
            errors.Aborted: `etag` is given and not the row's.
        """
        with self._database.transaction() as connection:
            row = connection.execute("SELECT version FROM resources WHERE name = %s FOR UPDATE", (name,)).fetchone()
            if row is None:
                raise errors.NotFound(f"{name} does not exist")
            if etag and etag != str(row[0]):
                raise errors.Aborted(f"{name} has etag '{row[0]}', not {etag!r}: read it again, then delete it")
            connection.execute("DELETE FROM resources WHERE name = %s", (name,))
            _notify(connection, name)

    def wait(self, timeout: float) -> set[str]:
        """Names of rows that changed; returns at the first ones, or empty after `timeout` seconds (see Listener)."""
        return self._listener.wait(timeout)

    def append_logs(self, name: str, replica: str, lines: Sequence[tuple[datetime, str]]) -> bool:
        """Add (time, text) lines of a replica, up to the cap per resource (then one line says that the rest is lost).

        Returns whether more of them would be kept.

        Raises:
            errors.NotFound: the resource is gone.
        """
        return self._logs.append(name, replica, lines)

    def read_logs(self, name: str, since: int = 0, limit: int = 1000) -> LogLines:
        """Up to `limit` lines whose seq is greater than `since`, oldest first."""
        return self._logs.read(name, since, limit)

    def last_log_time(self, name: str, replica: str) -> datetime | None:
        """When the replica's last kept line was written; None without lines."""
        return self._logs.last_time(name, replica)

    def leader(self, poll_s: float = 1.0) -> AbstractContextManager[leader.Leadership]:
        """Block until this process is the only leader, and lead within the `with`; ask `held()` before each round."""
        return leader.leader(self._database, poll_s)

    def ping(self) -> None:
        """One round trip.

        Raises:
            errors.Unavailable: no answer.
        """
        with self._database.connection() as connection:
            connection.execute("SELECT 1")

    def close(self) -> None:
        """Give all connections back."""
        self._listener.close()
        self._database.close()
