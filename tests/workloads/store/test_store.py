"""The store against a real PostgreSQL."""

import threading
import time
from datetime import UTC, datetime

import pytest

from tests.support.postgres import PostgresServer, postgres_server
from workloads.store import Aborted, AlreadyExists, Invalid, Json, NotFound, Store, Unavailable

PARENT = "projects/p/locations/l"


def job(number: int) -> str:
    """The name of a custom job."""
    return f"{PARENT}/customJobs/{number}"


def test_create_get_delete(store: Store) -> None:
    """A row comes back as it went in, cannot be made twice, and is gone after its deletion."""
    made = store.create(job(1), {"displayName": "é", "state": "JOB_STATE_QUEUED"}, {"attempt": 0})
    assert store.get(job(1)) == made
    assert (made.collection, made.version, made.etag, made.state) == ("customJobs", 1, "1", "JOB_STATE_QUEUED")
    with pytest.raises(AlreadyExists, match="customJobs/1"):
        store.create(job(1), {})
    store.delete(job(1))
    for call in (store.get, store.delete):
        with pytest.raises(NotFound, match="customJobs/1"):
            call(job(1))


def test_list_is_newest_first_and_narrowed(store: Store) -> None:
    """Listing keeps to the collection, the parent and the states, and goes on where a page ended."""
    rows = [store.create(job(i), {"state": "A" if i % 2 else "B"}) for i in range(5)]
    store.create("projects/other/locations/l/customJobs/9", {"state": "A"})
    store.create(f"{PARENT}/endpoints/9", {})
    assert [r.id for r in store.list("customJobs", parent=PARENT)] == ["4", "3", "2", "1", "0"]
    assert [r.id for r in store.list("customJobs", parent=PARENT, states=["A"])] == ["3", "1"]
    page = store.list("customJobs", parent=PARENT, limit=2)
    rest = store.list("customJobs", parent=PARENT, after=(page[-1].create_time, page[-1].name))
    assert [*page, *rest] == rows[::-1]


def test_the_oldest_of_a_state(store: Store) -> None:
    """The queue reads the first ones that wait, and goes on where it stopped."""
    rows = [store.create(job(i), {"state": "A" if i % 2 else "B"}) for i in range(7)]
    first = store.oldest("customJobs", "A", 2)
    assert first == [rows[1], rows[3]]
    assert store.oldest("customJobs", "A", 2, (first[-1].create_time, first[-1].name)) == [rows[5]]


def test_operations_are_running_until_done(store: Store) -> None:
    """An operation's state is derived from `done`, so a controller finds the open ones."""
    name = f"{PARENT}/operations/1"
    store.create(name, {"done": False})
    assert [r.name for r in store.list("operations", states=["RUNNING"])] == [name]
    store.update(name, lambda message, _: message.update(done=True))
    assert store.list("operations", states=["RUNNING"]) == []
    assert store.get(name).state == "DONE"


def test_update_counts_versions_and_checks_etags(store: Store) -> None:
    """A change makes a new version; none does not; a stale etag or an error in the change leaves the row alone."""
    store.create(job(1), {"a": [1]})
    changed = store.update(job(1), lambda message, status: message["a"].append(2) or status.update(x=1), etag="1")
    assert (changed.message, changed.status, changed.etag) == ({"a": [1, 2]}, {"x": 1}, "2")
    assert changed.update_time > changed.create_time
    assert store.update(job(1), lambda message, status: None) == changed
    with pytest.raises(Aborted, match="etag '2', not '1'"):
        store.update(job(1), lambda message, _: message.clear(), etag="1")
    with pytest.raises(Aborted, match="etag"):
        store.delete(job(1), etag="1")

    def give_up(message: Json, _: Json) -> None:
        message.clear()
        raise KeyError("no")

    with pytest.raises(KeyError):
        store.update(job(1), give_up)
    assert store.get(job(1)) == changed


def test_notes_of_controllers_do_not_outdate_an_etag(store: Store) -> None:
    """A change of status alone is kept and told, but makes no new version and no new update time."""
    made = store.create(job(1), {"a": 1})
    assert store.wait(0.01) == set()
    noted = store.update(job(1), lambda _, status: status.update(x=1))
    assert (noted.status, noted.etag, noted.update_time) == ({"x": 1}, made.etag, made.update_time)
    assert store.wait(5) == {job(1)}
    store.update(job(1), lambda message, _: message.update(a=2), etag=made.etag)


def test_concurrent_updates_lose_nothing(store: Store) -> None:
    """Updates of one row queue up: every increment of every thread is kept."""
    store.create(job(1), {"n": 0})

    def work() -> None:
        for _ in range(25):
            store.update(job(1), lambda message, _: message.update(n=message["n"] + 1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get(job(1)).message == {"n": 100}


def test_wait_tells_the_names(store: Store) -> None:
    """Create, update and delete each wake a waiter with the row's name; silence returns nothing at the timeout."""
    assert store.wait(0.01) == set()
    store.create(job(1), {})
    assert store.wait(5) == {job(1)}
    store.update(job(1), lambda message, _: message.update(a=1))
    assert store.wait(5) == {job(1)}
    store.delete(job(1))
    assert store.wait(5) == {job(1)}
    assert store.wait(0.01) == set()


def test_values_that_jsonb_refuses(store: Store) -> None:
    """NUL, NaN and lone surrogates are refused as Invalid, not as an unknown failure."""
    for value in ("\x00", float("nan"), "\ud800"):
        with pytest.raises(Invalid):
            store.create(job(1), {"value": value})


def test_logs(store: Store) -> None:
    """Lines come back in order after a seq, of all replicas, and vanish with their resource."""
    now = datetime.now(UTC)
    store.create(job(1), {})
    store.append_logs(job(1), "0-0", [(now, "a"), (now, "nul \x00 surrogate \ud800")])
    store.append_logs(job(1), "1-0", [(now, "b")])
    store.append_logs(job(1), "1-0", [])
    lines = store.read_logs(job(1))
    assert [(line.replica, line.text) for line in lines] == [("0-0", "a"), ("0-0", "nul � surrogate ?"), ("1-0", "b")]
    assert store.read_logs(job(1), since=lines[0].seq, limit=1) == lines[1:2]
    assert (store.last_log_time(job(1), "0-0"), store.last_log_time(job(1), "7-0")) == (now, None)
    store.delete(job(1))
    assert store.read_logs(job(1)) == []
    with pytest.raises(NotFound, match="customJobs/1"):
        store.append_logs(job(1), "0-0", [(now, "late")])


def test_logs_are_capped(postgres: PostgresServer) -> None:
    """Past the cap, one line says so, once, and nothing else is kept."""
    store = Store(postgres.new_database(), wait_s=5, log_cap_bytes=100)
    store.create(job(1), {})
    more = [store.append_logs(job(1), "0-0", [(datetime.now(UTC), "x" * 39)]) for _ in range(5)]
    assert more == [True, True, False, False, False], "the writer is told"
    texts = [line.text for line in store.read_logs(job(1))]
    store.close()
    assert texts[:2] == ["x" * 39] * 2
    assert len(texts) == 3
    assert "not kept" in texts[2]


def test_two_stores_may_start_at_once(postgres: PostgresServer) -> None:
    """API and controllers migrate the same empty database at the same time without harm."""
    conninfo = postgres.new_database()
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store(conninfo, wait_s=10))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 4
    stores[0].create(job(1), {})
    assert stores[1].get(job(1)).id == "1"
    for each in stores:
        each.close()


def test_one_leader_at_a_time(store: Store) -> None:
    """A second leader waits for the first to let go."""
    led = threading.Event()

    def follow() -> None:
        with store.leader(poll_s=0.05) as second:
            assert second.held()
            led.set()

    with store.leader() as first:
        thread = threading.Thread(target=follow)
        thread.start()
        assert first.held()
        assert not led.wait(0.3)
    assert led.wait(5)
    thread.join()


def test_database_restart() -> None:
    """Down: calls say Unavailable and the leader learns that its lock is gone. Up again: all works without a hand."""
    with postgres_server() as server:
        store = Store(server.new_database(), wait_s=5)
        store.create(job(1), {"a": 1})
        assert store.wait(0.01) == set()
        with store.leader() as leadership:
            server.stop()
            assert not leadership.held()
        assert store.wait(0.1) == set()
        with pytest.raises(Unavailable):
            Store(server.conninfo("postgres"), wait_s=0.1)
        server.start()
        assert store.get(job(1)).message == {"a": 1}
        store.wait(0.01)  # listens again
        store.update(job(1), lambda message, _: message.update(a=2))
        assert store.wait(5) == {job(1)}
        with store.leader() as again:
            assert again.held()
        store.close()


def test_ids_look_like_vertex(store: Store) -> None:
    """Ids are 19 digits and differ."""
    ids = {store.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 19 and i.isdigit() for i in ids)


def test_ping(store: Store) -> None:
    """A round trip to a living database is quick and raises nothing."""
    begin = time.monotonic()
    store.ping()
    assert time.monotonic() - begin < 5
