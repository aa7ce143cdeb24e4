"""Logs of pods: lines, and how far they have been read."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from workloads.controllers.engines import kubernetes_logs as logs
from workloads.controllers.engines.base import Refused, Unavailable
from workloads.controllers.engines.kubernetes_api import NotFound


def line(nanoseconds: int, text: str) -> bytes:
    """A line as the API server sends it."""
    return f"2026-01-02T03:04:05.{nanoseconds:09} {text}\n".replace(" ", "Z ", 1).encode()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses."""
    monkeypatch.setattr(logs, "PAUSES_S", (0.0, 0.0))


def follow(states: list[Any], readings: list[Any]) -> tuple[list[str], list[dict[str, str]]]:
    """What is read while the container goes through these states, and the queries; exceptions are raised."""
    asked: list[dict[str, str]] = []

    def read(**query: str) -> Iterator[bytes]:
        asked.append(query)
        for chunk in readings[len(asked) - 1]:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    left = iter(states)
    return [text for _, text in logs.follow(lambda: next(left), read)], asked


def test_parse() -> None:
    """A time in any zone, to the nanosecond; empty texts; anything else is not a log."""
    assert logs.parse("2026-01-02T03:04:05.123456789Z a b") == (
        (datetime(2026, 1, 2, 3, 4, 5, 123456, UTC), 123456789),
        "a b",
    )
    assert logs.parse("2026-01-02T04:04:05.5+01:00 ")[0][0] == datetime(2026, 1, 2, 3, 4, 5, 500000, UTC)
    assert logs.parse("2026-01-02T03:04:05Z x")[1] == "x"
    with pytest.raises(Unavailable, match="unable"):
        logs.parse("unable to retrieve container logs")


def test_lines_of_any_chunks() -> None:
    """Lines end where newlines are; what has none is one only if nothing more can come."""
    chunks = [b"a\nb", b"c\n\xff\nno", b" end"]
    assert list(logs.lines(chunks, whole=True)) == ["a", "bc", "\ufffd", "no end"]
    assert list(logs.lines(chunks, whole=False)) == ["a", "bc", "\ufffd"]


def test_followed_to_the_end() -> None:
    """What was printed between the end of the stream and that of the container is read, and a last half line."""
    texts, asked = follow(
        ["waiting", "live", "over"],
        [[line(1, "a"), line(2, "b")], [line(1, "a"), line(2, "b"), line(3, "c").rstrip(b"\n")]],
    )
    assert texts == ["a", "b", "c"]
    assert asked == [
        {"timestamps": "true", "follow": "true"},
        {"timestamps": "true", "sinceTime": "2026-01-02T03:04:05Z"},
    ]


def test_read_on_after_a_cut() -> None:
    """Neither double nor gap, with equal times too, wherever the stream was cut."""
    everything = [line(1, "a"), line(5, "b"), line(5, "c"), line(5, "d"), line(7, "e")]
    cut = [*everything[:2], everything[2][:12], Unavailable("cut")]
    texts, _ = follow(["live", "live", "live", "over"], [cut, [Unavailable("502")], everything[:4], everything])
    assert texts == ["a", "b", "c", "d", "e"]


def test_nothing_to_read() -> None:
    """A pod that is gone, before or while it is read, one that never started, and one that is about to."""
    assert follow(["gone"], []) == ([], [])
    assert follow(["live"], [[line(1, "a"), NotFound("x")]])[0] == ["a"]
    assert follow(["over"], [[Refused("is waiting to start")]])[0] == []
    assert follow(["live", "over"], [[Refused("is waiting to start")], [line(1, "a")]])[0] == ["a"]
