"""Logged predictions between HAProxy and whoever fetches them."""

import base64
import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from workloads.gateway import request_log
from workloads.gateway.measures import Measures
from workloads.gateway.request_log import SEGMENT_S, Channel, Record, Spool, about, parse

ENDPOINT = "projects/p/locations/l/endpoints/9"
FOLDER = "gs://b/f"


def message(asked: str = "e30=", answered: str = "W10=", endpoint: str = ENDPOINT) -> bytes:
    """As HAProxy writes it."""
    return f"model.9.1 200 3 a-8080 {about(endpoint, '1', FOLDER)} {asked} {answered} .\n".encode()


def record(text: str = "x", endpoint: str = ENDPOINT) -> Record:
    """A prediction of this text."""
    return Record(endpoint, "1", FOLDER, (text,), ())


def contents(spool: Spool) -> list[list[dict[str, Any]]]:
    """What is in the finished segments."""
    found = [spool.read(name) for name in spool.names()]
    return [[json.loads(line) for line in each.splitlines()] for each in found if each]


def test_a_message_is_read_whole() -> None:
    """Who, where to, and both bodies, whatever bytes they are; a body that is not there is an empty list."""
    text = base64.b64encode("ä\n\0".encode()).decode()
    assert parse(message(text)) == Record(ENDPOINT, "1", FOLDER, ("ä\n\0",), ("[]",))
    assert parse(message("-", "-")) == Record(ENDPOINT, "1", FOLDER, (), ())
    assert parse(message("", base64.b64encode(b"\xff").decode())).request_payload == ("",)


@pytest.mark.parametrize(
    "bad", [b"", b"noise", message()[:-9], message().replace(b" e30=", b" e3"), b"a b c d - - - ."]
)
def test_what_is_no_whole_message_is_refused(bad: bytes) -> None:
    """Cut off or malformed: never half a record."""
    with pytest.raises(ValueError, match=r".+"):
        parse(bad)


def test_the_line_of_a_logged_prediction_is_still_one_of_the_measures() -> None:
    """The same line goes to both; the measures read its beginning."""
    measures = Measures()
    measures.take([message()[:60].strip()], 1.0)
    assert measures._found["model.9.1"].requests == 1


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


def test_a_writer_never_waits_and_what_is_read_is_whole(tmp_path: Path) -> None:
    """Messages of several writers stay whole; one that finds the socket full fails at once; a torn one counts."""
    spool = Spool(tmp_path / "s")
    channel = Channel(spool)
    os.set_blocking(channel.writer, False)
    large = message("A" * 32_000, "B" * 32_000)
    sent = sum(1 for _ in iter(lambda: _is_taken(channel.writer, large), False))
    reader = Thread(target=channel.read)
    reader.start()
    os.set_blocking(channel.writer, True)
    writers = [Thread(target=lambda: [os.write(channel.writer, message()) for _ in range(300)]) for _ in "ab"]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    os.write(channel.writer, message()[:-9])
    os.write(channel.writer, b"Proxy front started.\n")
    channel.close()
    reader.join(20)
    assert sum(len(each) - 1 for each in contents(spool)) == sent + 600
    assert spool.dropped == 1


def _is_taken(writer: int, content: bytes) -> bool:
    try:
        return os.write(writer, content) == len(content)
    except BlockingIOError:
        return False
