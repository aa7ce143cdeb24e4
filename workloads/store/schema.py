"""Brings the database's schema forward. Store calls it at start, in the API and in the controllers alike."""

from importlib.resources import files
from typing import Final

import psycopg

from workloads.store import errors

ADVISORY_MIGRATE: Final = 0x6361_6972_6E00  # "cairn" and a number, so other users of the database don't collide
ADVISORY_LEADER: Final = 0x6361_6972_6E01


def migrations() -> list[tuple[int, str]]:
    """The numbered migrations, in order: (number, SQL)."""
    found = [f for f in files("workloads.store.migrations").iterdir() if f.name.endswith(".sql")]
    return sorted((int(f.name.split("_")[0]), f.read_text(encoding="utf-8")) for f in found)


def migrate(connection: psycopg.Connection) -> int:
    """Apply what is missing, all or nothing; the lock lets API and controllers start at once. Returns the version.

    Raises:
        errors.SchemaError: a migration failed, or a newer release has been here; the database is as it was.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (ADVISORY_MIGRATE,))
        connection.execute("CREATE TABLE IF NOT EXISTS schema_versions (version int PRIMARY KEY)")
        row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_versions").fetchone()
        current = int(row[0]) if row else 0
        known = migrations()
        _refuse_newer(current, known[-1][0])
        for number, sql in known:
            if number > current:
                _apply(connection, number, sql)
                current = number
    return current


def _refuse_newer(current: int, newest: int) -> None:
    if current > newest:
        raise errors.SchemaError(
            f"the database has schema {current} and this release knows none after {newest}: a newer release has "
            "migrated it, and migrations only go forward. Take that release, or restore a backup made before it"
        )


def _apply(connection: psycopg.Connection, number: int, sql: str) -> None:
    try:
        connection.execute(sql.encode())  # our own files
    except psycopg.OperationalError:
        raise  # the database went away: its clients try again
    except psycopg.Error as error:
        raise errors.SchemaError(f"migration {number} failed, the database is as it was before: {error}") from error
    connection.execute("INSERT INTO schema_versions VALUES (%s)", (number,))
