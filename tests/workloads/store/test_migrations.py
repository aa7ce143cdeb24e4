"""The schema goes forward from the first release on; what can't be brought forward is refused and left alone."""

from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import PostgresServer
from workloads.store import SchemaError, Store, schema

FIRST = Path(__file__).with_name("first_schema.sql")
JOB = "projects/p/locations/l/customJobs/1"
SHAPE = """
SELECT 'column', table_name, column_name, data_type || is_nullable || coalesce(generation_expression, '')
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace = 'public'::regnamespace
ORDER BY 1, 2, 3
"""


@pytest.fixture
def first(postgres: PostgresServer) -> str:
    """Conninfo of a database that the first release left."""
    conninfo = postgres.new_database()
    with psycopg.connect(conninfo) as connection:
        connection.execute(FIRST.read_bytes())
    return conninfo


def _rows(conninfo: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode()).fetchall()


def _version(conninfo: str) -> int:
    return int(str(_rows(conninfo, "SELECT max(version) FROM schema_versions")[0][0]))


def test_what_the_first_release_kept_reads_right(first: str) -> None:
    """After all migrations rows, states, times, etags and logs are as they were, and can be changed."""
    store = Store(first, wait_s=5, max_connections=2)
    try:
        job = store.get(JOB)
        assert (job.message["displayName"], job.status["attempt"], job.etag) == ("first", 1, "3")
        assert job.create_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert [each.id for each in store.list("customJobs", states=["JOB_STATE_RUNNING"])] == ["1"]
        assert [each.state for each in store.list("operations")] == ["RUNNING"]
        assert [line.text for line in store.read_logs(JOB)] == ["epoch 1", "é 2"]
        assert store.update(JOB, lambda message, _: message.update(state="JOB_STATE_SUCCEEDED")).etag == "4"
    finally:
        store.close()


def test_old_and_new_databases_have_one_schema(first: str, postgres: PostgresServer) -> None:
    """Columns, indexes and constraints are the same, however far back a database began: no migration was edited."""
    new = postgres.new_database()
    for conninfo in (first, new):
        Store(conninfo, wait_s=5, max_connections=2).close()
    assert _rows(first, SHAPE) == _rows(new, SHAPE)
    assert _version(first) == schema.migrations()[-1][0]


def test_a_migration_that_fails_leaves_the_old(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names it; neither its first half nor the migrations before it are kept, and the data is there."""
    known = schema.migrations()
    broken = (known[-1][0] + 1, "CREATE TABLE half (id int); DELETE FROM logs; SELECT 1 / 0")
    monkeypatch.setattr(schema, "migrations", lambda: [*known, broken])
    before = _rows(first, SHAPE)
    with pytest.raises(SchemaError, match=rf"migration {broken[0]} failed.*division by zero"):
        Store(first, wait_s=5, max_connections=2)
    assert (_rows(first, SHAPE), _version(first)) == (before, 1)
    assert _rows(first, "SELECT count(*) FROM logs") == [(2,)]


def test_an_older_release_refuses_a_newer_schema(first: str) -> None:
    """It says so, and what to do, and writes nothing."""
    with psycopg.connect(first) as connection:
        connection.execute("INSERT INTO schema_versions VALUES (9000)")
    with pytest.raises(SchemaError, match=r"schema 9000 and this release knows none after \d+: a newer release"):
        Store(first, wait_s=5, max_connections=2)
    assert _version(first) == 9000
