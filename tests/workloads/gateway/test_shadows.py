"""Copies for shadows: sent as they were, bounded, counted on both sides."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workloads.gateway.test_routes import model, text
from workloads.gateway.measures import Measures
from workloads.gateway.routes import Table, parse
from workloads.gateway.shadows import AT_ONCE, COPIES, Original, Shadows

LIVE = Original(b"model.9.1 200 3 a-8080", b'{"instances": []}')


class Door:
    """HAProxy's socket for copies: keeps what it is asked, and answers as long as `is_open`."""

    def __init__(self, path: Path) -> None:
        self.path, self.asked, self.is_open = path, list[bytes](), threading.Event()
        self.most, self._now = 0, 0
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        eventually(path.exists)

    async def _run(self) -> None:
        async with await asyncio.start_unix_server(self._answer, self.path) as server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.read(1 << 16))
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.to_thread(self.is_open.wait)
        self._now -= 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()


def eventually(condition: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether it comes true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """Where copies go."""
    made = Door(tmp_path / "shadow.sock")
    yield made
    made.is_open.set()


def started(measures: Measures, socket: Path) -> Shadows:
    """Shadows that send."""
    shadows = Shadows(measures, socket)
    threading.Thread(target=shadows.run, daemon=True).start()
    return shadows


def table(**share: int) -> Table:
    """A live model 1 and these shadows."""
    return parse(text(model(), *(model(id=each[1:], weight=0, shadow=percent) for each, percent in share.items())))


def told(shadows: Shadows, name: str = "model.9.2") -> dict[str, Any]:
    """What is reported of a shadow."""
    return shadows.report(table(m2=10, m3=20))[name]


def test_a_copy_is_the_same_request_under_the_shadows_name(door: Door) -> None:
    """Its body, the shadow's backend, and the original's id in the log where it has one; to each of several shadows."""
    door.is_open.set()
    shadows = started(Measures(), door.path)
    shadows.take(LIVE, ["2", "3"], "an-id")
    shadows.take(LIVE, ["2"], "")
    assert eventually(lambda: len(door.asked) == 3)
    heads = [head for head, _, body in (each.partition(b"\r\n\r\n") for each in door.asked) if body == LIVE.body]
    assert sorted(
        (b"model.9.2" in each, b"model.9.3" in each, b"X-Cairn-Request-Id: an-id" in each) for each in heads
    ) == [
        (False, True, True),
        (True, False, False),
        (True, False, True),
    ]
    assert all(b"Content-Type: application/json" in each and b"Content-Length: 17" in each for each in heads)


def test_a_shadow_that_does_not_answer_is_bounded_and_alone(door: Door) -> None:
    """AT_ONCE under way, COPIES in all, the rest dropped and counted, at once; another shadow has room of its own."""
    shadows = started(Measures(), door.path)
    for _ in range(COPIES + 50):
        shadows.take(LIVE, ["2"], "")
    assert (told(shadows)["copied"], told(shadows)["dropped"]) == (COPIES, 50)
    assert eventually(lambda: len(door.asked) == AT_ONCE)
    shadows.take(LIVE, ["3"], "")
    assert eventually(lambda: len(door.asked) == AT_ONCE + 1)
    door.is_open.set()
    assert eventually(lambda: len(door.asked) == COPIES + 1)
    assert door.most == AT_ONCE + 1
    assert eventually(lambda: shadows._found["model.9.2"].pending == 0)
    assert told(shadows)["dropped"] == 50


def test_stopping_gives_up_what_is_under_way(door: Door) -> None:
    """So that HAProxy, which waits for it, ends: those that wait too."""
    shadows = started(Measures(), door.path)
    for _ in range(COPIES):
        shadows.take(LIVE, ["2"], "")
    assert eventually(lambda: len(door.asked) == AT_ONCE)
    shadows.stop()
    assert eventually(lambda: told(shadows)["dropped"] == COPIES)
    assert shadows._found["model.9.2"].pending == 0


def test_both_sides_of_the_same_requests_are_counted(door: Door) -> None:
    """What the live model made of the copied requests, and what the shadow has made since its first copy."""
    measures = Measures()
    measures.take([b"model.9.2 200 1 b-80"] * 5, 1.0)
    shadows = started(measures, door.path)
    shadows.take(LIVE, ["2"], "")
    shadows.take(Original(b"model.9.1 503 9 <NOSRV>", b"{}"), ["2"], "")
    shadows.take(Original(b"model.9.1 -1 -1 <NOSRV>", b"{}"), ["2"], "")
    shadows.take(Original(b"model.9.1 200 9 a-8080", None), ["2"], "")
    measures.take([b"model.9.2 500 7 b-80"], 2.0)
    found = told(shadows)
    assert {key: found[key] for key in ("percent", "copied", "dropped", "tooLarge")} == {
        "percent": 10, "copied": 3, "dropped": 0, "tooLarge": 1,
    }  # fmt: skip
    assert (found["live"]["requests"], found["live"]["errors"], found["live"]["busyMs"]) == (2, 1, 12)
    assert (found["own"]["requests"], found["own"]["errors"], sum(found["own"]["latency"])) == (1, 1, 1)
    assert told(shadows, "model.9.3")["own"]["requests"] == 0  # it has had no copy


def test_what_is_no_shadow_any_more_is_forgotten(door: Door) -> None:
    """So one that becomes a shadow again begins anew."""
    shadows = started(Measures(), door.path)
    shadows.take(LIVE, ["2"], "")
    assert shadows.report(table(m3=20)).keys() == {"model.9.3"}
    assert told(shadows)["copied"] == 0


def test_without_haproxy_copies_are_dropped(tmp_path: Path) -> None:
    """Nobody listens, as for a moment of a reload: counted, and no error of anybody's."""
    shadows = started(Measures(), tmp_path / "nobody.sock")
    shadows.take(LIVE, ["2"], "")
    assert eventually(lambda: told(shadows)["dropped"] == 1)
