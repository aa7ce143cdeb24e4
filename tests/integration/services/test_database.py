"""The store on the database image alone, over TCP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.integration.services.conftest import DatabaseServer
from workloads.store import AlreadyExists, Json, Store, Unavailable

PARENT = "projects/p/locations/l"


@pytest.fixture(scope="module")
def store(database: DatabaseServer) -> Iterator[Store]:
    """The store in the platform's own database, which it migrates."""
    store = Store(database.conninfo(), wait_s=10)
    yield store
    store.close()


def test_the_store_migrates_and_a_second_one_finds_what_the_first_wrote(store: Store, database: DatabaseServer) -> None:
    """The schema is made once by a role that is no superuser; API and controllers share its rows and are told."""
    name = f"{PARENT}/customJobs/1"
    other = Store(database.conninfo(), wait_s=10)
    try:
        other.wait(0.01)  # listens from here on
        made = store.create(name, {"displayName": "é", "state": "JOB_STATE_QUEUED"}, {"attempt": 0})
        assert name in other.wait(10)
        assert other.get(name) == made
        assert other.list("customJobs", states=["JOB_STATE_QUEUED"]) == [made]
        with pytest.raises(AlreadyExists, match="customJobs/1"):
            other.create(name, {})
    finally:
        other.close()
    with database.connect() as connection:
        found = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert found == (False,)


def test_updates_from_many_threads_are_all_counted(store: Store) -> None:
    """Rows are locked while they change: 8 threads add 10 each, and none is lost."""
    name = f"{PARENT}/endpoints/1"
    store.create(name, {"count": 0})

    def add(message: Json, _: Json) -> None:
        message["count"] += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.update(name, add), range(80)))
    assert store.get(name).message == {"count": 80}
    assert store.get(name).version == 81


def test_only_one_leader(store: Store, database: DatabaseServer) -> None:
    """A second store's leader waits until the first has given the lock back."""
    other = Store(database.conninfo(), wait_s=10)
    try:
        with ThreadPoolExecutor(1) as pool:

            def lead() -> bool:
                with other.leader() as leadership:
                    return leadership.held()

            with store.leader() as leadership:
                assert leadership.held()
                second = pool.submit(lead)
                with pytest.raises(TimeoutError):
                    second.result(0.5)
            assert second.result(10)
    finally:
        other.close()


def test_the_server_asks_for_scram(database: DatabaseServer) -> None:
    """A client that would answer in clear or by MD5 only gets no connection: the server asks for SCRAM-SHA-256."""
    database.connect().close()
    for weaker in ("password", "md5", "none"):
        with pytest.raises(psycopg.OperationalError, match="requirement"):
            psycopg.connect(database.conninfo(), require_auth=weaker)


def test_wrong_passwords_are_refused(database: DatabaseServer) -> None:
    """The store says that it cannot reach its database, and why; another role's password opens nothing either."""
    with pytest.raises(Unavailable, match="password authentication failed"):
        Store(database.conninfo(password="wrong"), wait_s=0.1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        database.connect(password=database.passwords["mlflow"])


@pytest.mark.parametrize("foreign", ["mlflow", "postgres", "template1"])
def test_a_role_opens_only_its_own_database(database: DatabaseServer, foreign: str) -> None:
    """The right password of one role does not open another's database."""
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        database.connect(database=foreign)
