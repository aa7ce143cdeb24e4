"""Logged predictions between HAProxy and whoever fetches them."""

import json
from pathlib import Path
from typing import Any

import pytest

from workloads.gateway import request_log
from workloads.gateway.request_log import SEGMENT_S, Record, Spool

ENDPOINT = "projects/p/locations/l/endpoints/9"
FOLDER = "gs://b/f"


def record(text: str = "x", endpoint: str = ENDPOINT) -> Record:
    """A prediction of this text."""
    return Record(endpoint, "1", FOLDER, (text,), ())


def contents(spool: Spool) -> list[list[dict[str, Any]]]:
    """What is in the finished segments."""
    found = [spool.read(name) for name in spool.names()]
    return [[json.loads(line) for line in each.splitlines()] for each in found if each]


def test_segments_have_an_endpoints_records_and_end_in_time(tmp_path: Path) -> None:
    """One for each endpoint, whose head says whose it is; there once it is ten seconds old, with Vertex' columns."""
    spool = Spool(tmp_path / "s")
    other = "projects/p/locations/l/endpoints/8"
    for each in (ENDPOINT, other, ENDPOINT):
        spool.add(record(endpoint=each), 100.0)
    spool.tend(100.0 + SEGMENT_S - 1)
    assert spool.names() == []
    spool.tend(100.0 + SEGMENT_S)
    first, second = contents(spool)
    assert (first[0], second[0]) == ({"endpoint": other, "folder": FOLDER}, {"endpoint": ENDPOINT, "folder": FOLDER})
    assert (len(first), len(second)) == (2, 3)
    assert {**second[1], "request_id": ""} == {
        "endpoint": ENDPOINT,
        "deployed_model_id": "1",
        "logging_time": "1970-01-01T00:01:40.000000+00:00",
        "request_id": "",
        "request_payload": ["x"],
        "response_payload": [],
    }


def test_what_was_added_outlives_the_process(tmp_path: Path) -> None:
    """A spool that was never finished, as by a kill, is whole in the next one; removing may be repeated."""
    killed = Spool(tmp_path / "s")
    killed.add(record(), 100.0)
    (segment,) = killed._open.values()
    segment._file.close()  # as the kernel does, and nothing more
    spool = Spool(tmp_path / "s")
    (name,) = spool.names()
    assert len(contents(spool)[0]) == 2
    for _ in "twice":
        spool.remove(name)
    assert (spool.read(name), spool.names(), spool.read("../s/x")) == (None, [], None)


def test_a_spool_that_nobody_fetches_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an endpoint may not keep is dropped and counted; another endpoint keeps its own."""
    monkeypatch.setattr(request_log, "SPOOL_BYTES", 1000)
    monkeypatch.setattr(request_log, "SEGMENT_BYTES", 500)
    spool = Spool(tmp_path / "s")
    for number in range(20):
        spool.add(record("y" * 400), 100.0 + number)
        spool.tend(100.0 + number)
    assert 15 <= spool.dropped < 20
    spool.add(record(endpoint="projects/p/locations/l/endpoints/8"), 121.0)
    spool.tend(140.0)
    assert spool.report() == {"segments": spool.names(), "dropped": spool.dropped}
    assert spool.names()[0].startswith("8.")
