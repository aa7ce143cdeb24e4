"""Secrets as rows: Google Secret Manager's secrets and versions, values sealed. Used by the API and the controllers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from workloads.store import errors
from workloads.store.database import Connection, Database
from workloads.store.resource import Json
from workloads.store.sealing import Seal

LATEST: Final = "latest"
_SECRET: Final = "SELECT id, owner, message, create_time FROM secrets"
_VERSION: Final = "SELECT secret, number, state, create_time, destroy_time, sealed FROM secret_versions"
_NEXT: Final = "UPDATE secrets SET last_version = last_version + 1 WHERE id = %s RETURNING last_version"
_SET: Final = """
    UPDATE secret_versions SET state = %(state)s,
           sealed = CASE WHEN %(state)s = 'DESTROYED' THEN NULL ELSE sealed END,
           destroy_time = CASE WHEN %(state)s = 'DESTROYED' THEN clock_timestamp() END
    WHERE secret = %(id)s AND number = %(number)s"""


@dataclass(frozen=True)
class Secret:
    """A secret without its values; `owner` is the principal who made it, `message` what else its maker said."""

    id: str
    owner: str
    message: Json
    create_time: datetime


@dataclass(frozen=True)
class Version:
    """A value's number and state: ENABLED, DISABLED or, for ever, DESTROYED."""

    secret: str
    number: int
    state: str
    create_time: datetime
    destroy_time: datetime | None


class Secrets:
    """The rows.

    Args:
        seal: None where nothing is opened or added.
    """

    def __init__(self, database: Database, seal: Seal | None) -> None:
        self._database, self._seal = database, seal

    def create(self, name: str, owner: str, message: Json) -> Secret:
        """A secret without versions.

        Raises:
            errors.AlreadyExists: the name is taken.
        """
        try:
            with self._database.connection() as connection:
                values = (name, owner, Jsonb(message))
                connection.execute("INSERT INTO secrets (id, owner, message) VALUES (%s, %s, %s)", values)
        except psycopg.errors.UniqueViolation as error:
            raise errors.AlreadyExists(f"secret {name} exists already") from error
        return self.get(name)

    def get(self, name: str) -> Secret:
        """Raises errors.NotFound."""
        with self._database.connection() as connection:
            return _secret(connection, name)

    def page(self, after: str, limit: int) -> list[Secret]:
        """Those whose names follow `after`, in the order of their names."""
        with self._database.connection() as connection:
            rows = connection.execute(f"{_SECRET} WHERE id > %s ORDER BY id LIMIT %s".encode(), (after, limit))
            return [Secret(*row) for row in rows.fetchall()]

    def delete(self, name: str) -> None:
        """With all versions. Raises errors.NotFound."""
        with self._database.connection() as connection:
            if connection.execute("DELETE FROM secrets WHERE id = %s", (name,)).rowcount == 0:
                raise errors.NotFound(f"secret {name} does not exist")

    def add(self, name: str, value: bytes) -> Version:
        """The secret's next version. Raises errors.NotFound."""
        with self._database.transaction() as connection:
            row = connection.execute(_NEXT, (name,)).fetchone()
            if row is None:
                raise errors.NotFound(f"secret {name} does not exist")
            sealed = self._sealing().close(value, place(name, row[0]))
            insert = "INSERT INTO secret_versions (secret, number, sealed) VALUES (%s, %s, %s)"
            connection.execute(insert, (name, row[0], sealed))
            return _version(connection, name, str(row[0]))[0]

    def version(self, name: str, version: str) -> Version:
        """The version with this number, or the "latest", which is the newest whatever its state.

        Raises:
            errors.NotFound: there is no such secret or version.
        """
        with self._database.transaction() as connection:
            return _version(connection, name, version)[0]

    def versions(self, name: str, before: int | None, limit: int) -> list[Version]:
        """Newest first, those below the number `before`. Raises errors.NotFound."""
        where = b" WHERE secret = %s AND (%s::int IS NULL OR number < %s) ORDER BY number DESC LIMIT %s"
        with self._database.transaction() as connection:
            _secret(connection, name)
            rows = connection.execute(_VERSION.encode() + where, (name, before, before, limit)).fetchall()
        return [Version(*row[:5]) for row in rows]

    def set_state(self, name: str, version: str, state: str) -> Version:
        """Enable, disable or destroy a version; a destroyed one is gone.

        Raises:
            errors.NotFound: there is no such version.
            errors.Aborted: it is destroyed.
        """
        with self._database.transaction() as connection:
            found, _ = _version(connection, name, version)
            if found.state == "DESTROYED":
                raise errors.Aborted(f"version {found.number} of secret {name} is destroyed and stays so")
            connection.execute(_SET, {"state": state, "id": name, "number": found.number})
            return _version(connection, name, str(found.number))[0]

    def access(self, name: str, version: str) -> tuple[Version, bytes]:
        """A version's value.

        Raises:
            errors.NotFound: there is no such version.
            errors.Aborted: it is disabled or destroyed.
            sealing.Unsealable: another stack's key sealed it.
        """
        with self._database.transaction() as connection:
            found, sealed = _version(connection, name, version)
        if sealed is None or found.state != "ENABLED":
            raise errors.Aborted(f"version {found.number} of secret {name} is {found.state}")
        return found, self._sealing().open(sealed, place(name, found.number))

    def _sealing(self) -> Seal:
        if self._seal is None:
            raise RuntimeError("this store was opened without the key of the secrets")
        return self._seal


def place(name: str, number: int) -> str:
    """What a value is sealed for: it opens nowhere else."""
    return f"secrets/{name}/versions/{number}"


def _secret(connection: Connection, name: str) -> Secret:
    row = connection.execute(f"{_SECRET} WHERE id = %s".encode(), (name,)).fetchone()
    if row is None:
        raise errors.NotFound(f"secret {name} does not exist")
    return Secret(*row)


def _version(connection: Connection, name: str, version: str) -> tuple[Version, bytes | None]:
    _secret(connection, name)
    number = None if version == LATEST else int(version)
    where = b" WHERE secret = %s AND (%s::int IS NULL OR number = %s) ORDER BY number DESC LIMIT 1"
    row = connection.execute(_VERSION.encode() + where, (name, number, number)).fetchone()
    if row is None:
        raise errors.NotFound(f"secret {name} has no version {version}")
    return Version(*row[:5]), row[5]
