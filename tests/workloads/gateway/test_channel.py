"""Predictions that HAProxy hands over whole: read, and passed on to the log and to shadows."""

import base64
import json
import os
from pathlib import Path
from threading import Thread

import pytest

from workloads.gateway.channel import Channel, parse
from workloads.gateway.measures import Measures
from workloads.gateway.request_log import Record, Spool, about
from workloads.gateway.shadows import Original, Shadows

ENDPOINT = "projects/p/locations/l/endpoints/9"
FOLDER = "gs://b/f"
WORD = about(ENDPOINT, "1", FOLDER, added=0)


def message(asked: str = "e30=", answered: str = "W10=", word: str = WORD, shadows: str = "-") -> bytes:
    """As HAProxy writes it."""
    return f"model.9.1 200 3 a-8080 {word} {shadows} {asked} {answered} .\n".encode()


def record(line: bytes) -> Record:
    """What is logged of it, under no id of its own."""
    found = parse(line).record()
    assert found
    return Record(
        found.endpoint, found.deployed_model_id, found.folder, found.request_payload, found.response_payload, ""
    )


class Taken(Shadows):
    """Shadows that only note what they are to copy."""

    def __init__(self) -> None:
        self.taken: list[tuple[Original, tuple[str, ...], str]] = []

    def take(self, original: Original, ids: object, request_id: str) -> None:
        """Note it."""
        assert isinstance(ids, tuple)
        self.taken.append((original, ids, request_id))


def test_a_message_is_read_whole() -> None:
    """Who, where to, and both bodies, whatever bytes they are; a body that is not there is an empty list."""
    text = base64.b64encode("ä\n\0".encode()).decode()
    assert record(message(text)) == Record(ENDPOINT, "1", FOLDER, ("ä\n\0",), ("[]",), "")
    assert record(message("-", "-")) == Record(ENDPOINT, "1", FOLDER, (), (), "")
    assert record(message("", base64.b64encode(b"\xff").decode())).request_payload == ("",)
    found = parse(message(word="-", shadows=",2,x-3"))
    assert (found.original.body, found.shadows, found.record()) == (b"{}", ("2", "x-3"), None)
    assert parse(message("-", word="-", shadows=",2")).original.body is None


@pytest.mark.parametrize(
    ("answered", "logged"),
    [
        (b'{"deployedModelId":"1","model":"m",%s', b"{%s"),
        (b'{"predictions":[1],%s', None),
        (b'{"error":{},%s', None),
    ],
)
def test_what_a_server_added_to_its_answer_is_not_logged(answered: bytes, logged: bytes | None) -> None:
    """The members of a successful prediction go; any other answer stays as it is."""
    members, rest = '"deployedModelId":"1","model":"m",', b'"predictions":[2]}'
    line = message(answered=base64.b64encode(answered % rest).decode(), word=about(ENDPOINT, "1", FOLDER, len(members)))
    assert record(line).response_payload == (((logged or answered) % rest).decode(),)


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


def test_a_writer_never_waits_and_what_is_read_is_whole(tmp_path: Path) -> None:
    """Messages of several writers stay whole; one that finds the socket full fails at once; a torn one counts."""
    spool = Spool(tmp_path / "s")
    channel = Channel(spool, Taken())
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
    assert sum(len(each) - 1 for each in segments(spool)) == sent + 600
    assert spool.dropped == 1


def _is_taken(writer: int, content: bytes) -> bool:
    try:
        return os.write(writer, content) == len(content)
    except BlockingIOError:
        return False


def segments(spool: Spool) -> list[list[bytes]]:
    """The lines of each finished segment."""
    return [each.splitlines() for name in spool.names() if (each := spool.read(name))]


def test_who_gets_a_message(tmp_path: Path) -> None:
    """The log what is logged, shadows what is copied, with the id that it has in the log: a shadow's row has it too."""
    spool, shadows = Spool(tmp_path / "s"), Taken()
    channel = Channel(spool, shadows)
    for line in (message(), message(word="-", shadows=",2"), message(shadows=",2"), message(word=f"{WORD}.an-id")):
        os.write(channel.writer, line)
    channel.close()
    channel.read()
    ((_, *logged),) = segments(spool)
    ids = [json.loads(row)["request_id"] for row in logged]
    assert (len(set(ids)), ids[2]) == (3, "an-id")
    measured = b"model.9.1 200 3 a-8080"
    assert shadows.taken == [(Original(measured, b"{}"), ("2",), each) for each in ("", ids[1])]
    assert Original(measured, b"{}").endpoint == b"model.9"
