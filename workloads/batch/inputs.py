"""Instances of a batch job, streamed from the storage: one JSON text each, or the reason why a line is none.

Used by the driver. Memory stays flat: a line at a time, and a broken connection goes on where it stopped.
"""

import csv
import fnmatch
import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from workloads.gcs import Client

_LONGEST_LINE: Final = 64 << 20


class NoInput(Exception):
    """The job's input can't be read at all; the text says which URI and why."""


@dataclass(frozen=True)
class Instance:
    """One line of input.

    Attributes:
        text: the instance as JSON, or the line as it was when it is none.
        fault: why the line is no instance; "" when it is one.
    """

    text: str
    fault: str = ""


def expand(client: Client, uris: Iterable[str]) -> list[str]:
    """The objects that the URIs, which may hold *, name.

    Raises:
        NoInput: a URI names nothing.
    """
    found: list[str] = []
    for uri in uris:
        if "*" in uri:
            listed = (each.uri for each in client.list(uri[: uri.index("*")]))
            matches = [each for each in listed if fnmatch.fnmatchcase(each, uri.replace("[", "[[]"))]
        else:
            matches = [each.uri for each in client.list(uri) if each.uri == uri]
        if not matches:
            raise NoInput(f"{uri} names no object: check the bucket and the path of gcsSource.uris")
        found += matches
    return found


def lines(client: Client, uri: str, pause: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """The object's lines without their ends, empty ones left out.

    Raises:
        NoInput: a line without end, or no UTF-8.
        StorageError: the object can't be read.
    """
    rest = b""
    for piece in client.read(uri, pause):
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise NoInput(
                f"{uri} has a line of more than {_LONGEST_LINE >> 20} MiB: it must hold one instance per line"
            )
        yield from _decoded(whole, uri)
    yield from _decoded([rest], uri)


def _decoded(raw: Iterable[bytes], uri: str) -> Iterator[str]:
    for line in raw:
        try:
            text = line.decode("utf-8").strip("\r\ufeff")
        except UnicodeDecodeError as error:
            raise NoInput(f"{uri} is not UTF-8 text: {error}") from error
        if text.strip():
            yield text


def jsonl(texts: Iterable[str]) -> Iterator[Instance]:
    """Instances of JSON lines, each passed on as it is written."""
    for text in texts:
        try:
            json.loads(text)
            yield Instance(text)
        except ValueError as error:
            yield Instance(text, f"the line is not JSON: {error}")


def csv_rows(texts: Iterable[str]) -> Iterator[Instance]:
    """Instances of CSV rows after the header: arrays, where what is not in quotes and looks like a number is one."""
    width = -1
    for text in texts:
        fields = next(csv.reader([text]))
        if width < 0:
            width = len(fields)
            continue
        if len(fields) != width:
            yield Instance(text, f"the row has {len(fields)} fields, the header has {width}")
            continue
        yield Instance(json.dumps([_number_or_text(field) for field in fields]))


def _number_or_text(field: str) -> float | str:
    try:
        return float(field)
    except ValueError:
        return field


FORMATS: Final[dict[str, Callable[[Iterable[str]], Iterator[Instance]]]] = {"jsonl": jsonl, "csv": csv_rows}


def instances(client: Client, uris: Iterable[str], instances_format: str) -> Iterator[Instance]:
    """All instances, in the order of the input.

    Raises:
        NoInput: a format that this driver can't read, or see `expand` and `lines`.
    """
    read = FORMATS.get(instances_format)
    if read is None:
        raise NoInput(f"instancesFormat {instances_format!r} can't be read; use one of: {', '.join(FORMATS)}")
    for uri in expand(client, uris):
        yield from read(lines(client, uri))
