"""The cache that a watch keeps current, over every way in which its connection ends."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.controllers import eventually
from workloads.controllers.engines import kubernetes_cache
from workloads.controllers.engines.base import Unavailable
from workloads.controllers.engines.kubernetes_api import PODS, Gone, Json
from workloads.controllers.engines.kubernetes_cache import Cache


def thing(name: str, version: int, **more: Any) -> Json:
    """An object."""
    return {"metadata": {"name": name, "resourceVersion": str(version), "managedFields": ["long"]}, **more}


def event(kind: str, name: str, version: int) -> Json:
    """An event of a watch."""
    return {"type": kind, "object": thing(name, version)}


class Server:
    """Answers lists and watches as the test says; after the last watch it stays silent until the end."""

    def __init__(self, lists: list[Any], watches: list[list[Any]]) -> None:
        self.lists, self.watches = lists, watches
        self.from_versions: list[str] = []
        self.over = threading.Event()

    def list(self, kind: object, **query: str) -> Json:
        """One list."""
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, Exception):
            raise answer
        version, items = answer
        return {"metadata": {"resourceVersion": str(version)}, "items": [dict(each) for each in items]}

    def watch(self, kind: object, seconds: int, **query: str) -> Iterator[Json]:
        """One watch."""
        self.from_versions.append(query["resourceVersion"])
        if not self.watches:
            self.over.wait()
            return
        for each in self.watches.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses."""
    monkeypatch.setattr(kubernetes_cache, "BACKOFF_S", (0.0,))
    monkeypatch.setattr(kubernetes_cache, "SYNC_S", 2.0)


def cache_of(server: Any) -> tuple[Cache, list[str]]:
    """A cache, and the names of what has changed in it."""
    told: list[str] = []
    selector = {"labelSelector": "x"}
    made = Cache(
        server,
        PODS,
        selector,
        kubernetes_cache.without_managed_fields,
        lambda each: told.append(each["metadata"]["name"]),
    )
    return made, told


def names(cache: Cache) -> list[str]:
    """What it has."""
    return sorted(each["metadata"]["name"] for each in cache.objects())


def end(server: Server, cache: Cache) -> None:
    """Close it, and see that its thread ends."""
    cache.close()
    server.over.set()
    assert eventually(lambda: not any(each.name == "watch pods" for each in threading.enumerate()))


def test_it_follows_the_watch() -> None:
    """What comes, changes and goes; a watch that ends is followed by one from where it was, bookmarks included."""
    server = Server(
        [(3, [thing("a", 1), thing("b", 2)])],
        [[event("ADDED", "c", 4), event("DELETED", "a", 5)], [event("MODIFIED", "b", 6), event("BOOKMARK", "", 9)]],
    )
    cache, told = cache_of(server)
    assert eventually(lambda: len(server.from_versions) == 3)
    assert names(cache) == ["b", "c"]
    assert told == ["a", "b", "c", "a", "b"]
    assert server.from_versions == ["3", "5", "9"]
    assert "managedFields" not in cache.objects()[0]["metadata"]
    assert cache.get("a") is None
    end(server, cache)


def test_it_is_listed_anew_when_the_server_forgets() -> None:
    """After 410 only what differs is told, what has gone meanwhile among it."""
    server = Server([(3, [thing("a", 1), thing("b", 2)]), (9, [thing("b", 2), thing("c", 8)])], [[Gone("too old")]])
    cache, told = cache_of(server)
    assert eventually(lambda: len(server.from_versions) == 2)
    assert names(cache) == ["b", "c"]
    assert told == ["a", "b", "a", "c"]
    end(server, cache)


def test_it_never_answers_while_it_has_no_connection() -> None:
    """Not before the first answer, and not after a connection was lost until the next one stands."""
    server = Server([Unavailable("refused")], [])
    cache, _ = cache_of(server)
    with pytest.raises(Unavailable, match="refused"):
        cache.objects()
    server.lists = [(3, [thing("a", 1)])]
    assert eventually(lambda: bool(server.from_versions))
    assert names(cache) == ["a"]
    end(server, cache)


@pytest.mark.parametrize("fault", [Unavailable("reset"), ValueError("half a line"), KeyError("type")])
def test_it_connects_again_after_any_fault(fault: Exception) -> None:
    """Whatever came over the line."""
    server = Server([(3, []), (5, [thing("a", 4)])], [[fault]])
    cache, _ = cache_of(server)
    assert eventually(lambda: len(server.from_versions) == 2)
    assert names(cache) == ["a"]
    end(server, cache)


def test_own_changes_are_waited_for() -> None:
    """`reach` returns once the version of one's own change is there, and tells when it takes too long."""
    server = Server([(3, [])], [[event("ADDED", "a", 7)]])
    cache, _ = cache_of(server)
    cache.reach("7")
    assert names(cache) == ["a"]
    with pytest.raises(Unavailable, match="not within"):
        cache.reach("8")
    end(server, cache)


def test_a_listener_that_fails_harms_nobody() -> None:
    """The cache goes on."""
    server = Server([(3, [thing("a", 1)])], [[event("ADDED", "b", 4)]])

    def fail(found: Json) -> None:
        raise RuntimeError("no")

    cache = Cache(server, PODS, {}, dict, fail)  # type: ignore[arg-type]
    cache.reach("4")
    assert names(cache) == ["a", "b"]
    end(server, cache)
