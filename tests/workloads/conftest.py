"""Fixtures of the workloads' tests: a real PostgreSQL and a store in an empty database of it."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import PostgresServer, postgres_server
from workloads.store import Store
from workloads.store.sealing import Seal


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole session."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def store(postgres: PostgresServer) -> Iterator[Store]:
    """A store in a database of its own."""
    store = Store(postgres.new_database(), wait_s=5, max_connections=4, seal=Seal("the key of the tests' secrets"))
    yield store
    store.close()
