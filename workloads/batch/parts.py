"""Cuts the job's input into parts. Called once a job, by the driver: what it says is kept and never asked again."""

import csv
import fnmatch
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow.parquet as pq

from workloads.batch.objects import Objects
from workloads.batch.wish import NoInput, Part

FORMATS: Final = ("jsonl", "csv", "file-list", "parquet")
_LARGEST: Final = 16 << 20  # bytes: what is done again after a crash, at most
_SMALLEST: Final = {"file-list": 1 << 10}  # a line there is a whole file
_SMALL: Final = 16 << 10
_ROUNDS: Final = 4  # parts for each worker, so that none waits long for the last
_HEADER: Final = 1 << 20
_MOST_CUTS: Final = 4  # of a row group: each piece reads what is before it as well
_FEW_ROWS: Final = 16_384


def cut(objects: Objects, uris: Iterable[str], instances_format: str, workers: int) -> list[Part]:
    """The parts, in the order of the input.

    Raises:
        NoInput: a URI names nothing, a format that can't be read, or a file that is not of it.
    """
    if instances_format not in FORMATS:
        raise NoInput(f"instancesFormat {instances_format!r} can't be read; use one of: {', '.join(FORMATS)}")
    found = expand(objects, uris)
    pieces: Iterator[Part]
    if instances_format == "parquet":
        pieces = _row_groups(objects, found, workers * _ROUNDS)
    else:
        wanted = sum(size for _, size in found) // (workers * _ROUNDS)
        step = min(max(wanted, _SMALLEST.get(instances_format, _SMALL)), _LARGEST)
        headed = instances_format == "csv"
        pieces = (part for uri, size in found for part in _ranges(objects, uri, size, step, headed=headed))
    return [Part(number, p.uri, p.start, p.stop, p.columns, p.rows) for number, p in enumerate(pieces, start=1)]


def expand(objects: Objects, uris: Iterable[str]) -> list[tuple[str, int]]:
    """URI and bytes of the objects that the URIs, which may hold *, name.

    Raises:
        NoInput: a URI names nothing.
    """
    found: list[tuple[str, int]] = []
    for uri in uris:
        pattern = uri.replace("[", "[[]").replace("?", "[?]")
        listed = objects.list(uri.partition("*")[0])
        matches = [each for each in listed if fnmatch.fnmatchcase(each[0], pattern)]
        if not matches:
            raise NoInput(f"{uri} names no object: check the bucket and the path of gcsSource.uris")
        found += matches
    return found


def _ranges(objects: Objects, uri: str, size: int, step: int, *, headed: bool) -> Iterator[Part]:
    start, columns = _header(objects, uri, size) if headed else (0, ())
    for begin in range(start, size, step):
        yield Part(0, uri, begin, min(begin + step, size), columns)


def _header(objects: Objects, uri: str, size: int) -> tuple[int, tuple[str, ...]]:
    """Where the rows begin, and the names of the columns."""
    with objects.open(uri, size) as file:
        line = file.readline(_HEADER)
    try:
        columns = tuple(next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")], strict=True), ()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise NoInput(f"{uri} has no header that can be read: {error}") from error
    if not columns or len(set(columns)) != len(columns) or len(line) == _HEADER:
        raise NoInput(f"{uri} must begin with a header that names every column once; its first line is {line[:200]!r}")
    return len(line), columns


def _row_groups(objects: Objects, found: list[tuple[str, int]], wanted: int) -> Iterator[Part]:
    """A row group each, the smallest piece that is read by itself; cut further where there are fewer than wanted."""
    groups = [(uri, begin, rows) for uri, size in found for begin, rows in _groups(objects, uri, size)]
    pieces = min(-(-wanted // max(len(groups), 1)), _MOST_CUTS)
    for uri, begin, rows in groups:
        step = max(-(-rows // pieces), _FEW_ROWS)
        for start in range(begin, begin + rows, step):
            stop = min(start + step, begin + rows)
            yield Part(0, uri, start, stop, rows=stop - start)


def _groups(objects: Objects, uri: str, size: int) -> Iterator[tuple[int, int]]:
    """First row and number of rows of each group."""
    try:
        with objects.open(uri, size) as file:
            metadata = pq.ParquetFile(file).metadata
    except (ValueError, OSError) as error:
        raise NoInput(f"{uri} can't be read as Parquet: {error}") from error
    begin = 0
    for group in range(metadata.num_row_groups):
        yield begin, metadata.row_group(group).num_rows
        begin += metadata.row_group(group).num_rows
