"""The audit log's rows: added by the API, read by `GET /cairn/v1/audit`, taken away by age by the controllers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from workloads.store.database import Database

INSERT: Final = "INSERT INTO audit (principal, role, method, resource, status, source) VALUES (%s, %s, %s, %s, %s, %s)"
SELECT: Final = """
    SELECT seq, time, principal, role, method, resource, status, source FROM audit
    WHERE (%(before)s::bigint IS NULL OR seq < %(before)s)
      AND (%(principal)s::text IS NULL OR principal = %(principal)s)
      AND (%(resource)s::text IS NULL OR starts_with(resource, %(resource)s))
      AND (%(method)s::text IS NULL OR method = %(method)s)
      AND (%(since)s::timestamptz IS NULL OR time >= %(since)s)
    ORDER BY seq DESC LIMIT %(limit)s"""


@dataclass(frozen=True)
class Deed:
    """What somebody did, or was refused.

    Attributes:
        principal, role: of the token.
        method: JobService.CreateCustomJob, or the verb of a storage request.
        resource: what it was done to: a resource name, or the request's path.
        status: the answer's HTTP status.
        source: the client's address as the gateway sees it.
    """

    principal: str
    role: str
    method: str
    resource: str
    status: int
    source: str


@dataclass(frozen=True)
class Entry:
    """A deed in the log; `seq` only grows."""

    seq: int
    time: datetime
    deed: Deed


class Audit:
    """The log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, deed: Deed) -> None:
        """Durable once this returns."""
        values = (deed.principal, deed.role, deed.method, deed.resource, deed.status, deed.source)
        with self._database.connection() as connection:
            connection.execute(INSERT, values)

    def read(self, wanted: Mapping[str, Any], limit: int) -> list[Entry]:
        """The newest entries first.

        Args:
            wanted: `principal`, `method`, `resource` (a prefix), `since` (a time), `before` (a seq); any may be absent.
        """
        names = ("principal", "method", "resource", "since", "before")
        values = {name: wanted.get(name) for name in names} | {"limit": limit}
        with self._database.connection() as connection:
            rows = connection.execute(SELECT, values).fetchall()
        return [Entry(row[0], row[1], Deed(*row[2:])) for row in rows]

    def prune(self, keep: timedelta) -> int:
        """Remove what is older; how many."""
        with self._database.connection() as connection:
            return connection.execute("DELETE FROM audit WHERE time < now() - %s", (keep,)).rowcount
