"""Logs of jobs and model servers as rows: written by the controllers, read by `GET /cairn/v1/logs/…`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import psycopg

from workloads.store import errors
from workloads.store.database import Connection, Database
from workloads.store.resource import LogLine

CAP_BYTES: Final = 64 * 1024 * 1024  # per resource: one chatty job must not fill the database
MARKER: Final = f"[cairn] this job has logged {CAP_BYTES // 2**20} MiB; what follows is not kept"


def _clean(text: str) -> str:
    """The line as PostgreSQL can keep it: it has no NUL, and UTF-8 has no lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _reserve(connection: Connection, name: str, size: int) -> int:
    """Count `size` more bytes for the resource, holding its row until the commit; returns what it had before."""
    row = connection.execute(
        "INSERT INTO log_sizes AS s VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET bytes = s.bytes + EXCLUDED.bytes "
        "RETURNING bytes",
        (name, size),
    ).fetchone()
    return int(row[0]) - size if row else 0


def _fitting(lines: Sequence[tuple[datetime, str]], room: int) -> list[tuple[datetime, str]]:
    kept: list[tuple[datetime, str]] = []
    for time, text in lines:
        room -= len(text.encode()) + 1
        if room < 0:
            return [*kept, (time, MARKER)]
        kept.append((time, text))
    return kept


class Logs:
    """The log lines of every resource."""

    def __init__(self, database: Database, cap_bytes: int) -> None:
        self._database = database
        self._cap = cap_bytes

    def append(self, name: str, replica: str, lines: Sequence[tuple[datetime, str]]) -> bool:
        """Add a replica's lines; past the cap, one line says so and the rest is dropped. Whether more would be kept."""
        clean = [(time, _clean(text)) for time, text in lines]
        size = sum(len(text.encode()) + 1 for _, text in clean)
        if not clean:
            return True
        try:
            with self._database.transaction() as connection:
                before = _reserve(connection, name, size)
                if before > self._cap:  # full, and the marker was written by the append that filled it
                    return False
                rows = [(name, replica, time, text) for time, text in _fitting(clean, self._cap - before)]
                with connection.cursor().copy("COPY logs (name, replica, time, text) FROM STDIN") as copy:
                    for row in rows:
                        copy.write_row(row)
        except psycopg.errors.ForeignKeyViolation as error:
            raise errors.NotFound(f"{name} does not exist, so nothing can be logged for it") from error
        return before + size <= self._cap

    def read(self, name: str, since: int, limit: int) -> list[LogLine]:
        """The resource's lines after `since`, oldest first."""
        with self._database.connection() as connection:
            rows = connection.execute(
                "SELECT seq, time, replica, text FROM logs WHERE name = %s AND seq > %s ORDER BY seq LIMIT %s",
                (name, since, limit),
            ).fetchall()
        return [LogLine(*row) for row in rows]

    def last_time(self, name: str, replica: str) -> datetime | None:
        """When the replica's last kept line was written, so that a restarted controller goes on from there."""
        with self._database.connection() as connection:
            row = connection.execute(
                "SELECT time FROM logs WHERE name = %s AND replica = %s ORDER BY seq DESC LIMIT 1", (name, replica)
            ).fetchone()
        return row[0] if row else None
