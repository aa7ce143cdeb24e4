"""What the store's tests run on where a machine has no PostgreSQL; so that it works there, it is tried everywhere."""

from pathlib import Path

import psycopg
import pytest

from tests.support.postgres_container import container_server


def test_it_stops_and_starts_in_place_and_makes_databases(tmp_path: Path) -> None:
    """Stopped, it breaks connections; started again, it has the same address and the same rows."""
    with container_server(tmp_path) as server:
        conninfo = server.new_database()
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS value")
            server.stop()
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        server.start()
        with psycopg.connect(conninfo) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (42,)
        assert server.new_database() != conninfo
