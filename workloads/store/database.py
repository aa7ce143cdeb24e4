"""The store's connections: a pool that survives restarts of the database, and psycopg's errors in the store's words."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import ConnectionPool, PoolTimeout

from workloads import contract
from workloads.config import PlatformConfig
from workloads.store import errors, schema

# Without keepalives a vanished database host would keep LISTEN and the leader's lock "connected" for hours.
SESSION: Final = {"connect_timeout": 5, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}
Connection = psycopg.Connection[TupleRow]


def conninfo(config: PlatformConfig, name: str) -> str:
    """How to reach a database of the stack, with the password from its file."""
    return psycopg.conninfo.make_conninfo(
        host=config.database_host,
        port=config.database_port,
        dbname=name,
        user=config.database_user,
        password=contract.read_secret(contract.SECRET_DATABASE_PASSWORD),
    )


class Database:
    """A pool of connections to one database whose schema is current."""

    def __init__(self, conninfo: str, wait_s: float, max_connections: int) -> None:
        self.conninfo = psycopg.conninfo.make_conninfo(conninfo, **SESSION)
        self._migrate(time.monotonic() + wait_s)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self.conninfo, min_size=1, max_size=max_connections, timeout=10, open=True,
            check=ConnectionPool.check_connection, kwargs={"autocommit": True}, name="store",
        )  # fmt: skip

    def _migrate(self, deadline: float) -> None:
        while True:
            try:
                with self.connect() as connection:
                    schema.migrate(connection)
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise errors.Unavailable(f"the database does not answer: {error}") from error
                time.sleep(0.25)

    def connect(self) -> Connection:
        """A connection of its own, for what lasts: LISTEN and the leader's lock."""
        return psycopg.connect(self.conninfo, autocommit=True)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A pooled connection, on which each statement is a transaction of its own: half the way of `transaction`.

        Raises:
            errors.Unavailable: the database went away, before or within the block.
            errors.Invalid: it can't keep a value.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            raise errors.Unavailable(f"the database does not answer: {error}") from error
        except (psycopg.DataError, UnicodeEncodeError) as error:
            raise errors.Invalid(f"the database can't keep a value: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The same in one transaction, which is rolled back when the block raises."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._pool.close()
