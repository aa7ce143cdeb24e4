"""Reads a part: batches of rows, each as the job's InstanceConfig shapes it, and beside them the rows that can't be.

Memory is that of one batch: at most some thousand rows and some MiB, whatever the size of the input.
"""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from workloads.batch import csv_rows
from workloads.batch.batches import Batch, Columns, Rows, to_json
from workloads.batch.objects import Objects
from workloads.batch.wish import Fault, NoInput, Part, Wish
from workloads.gcs import StorageError

LONGEST_LINE: Final = 16 << 20
LARGEST_FILE: Final = 64 << 20  # of those that a file-list names
_ROWS, _BYTES = 8192, 4 << 20  # of lines that are read together
_COLUMN_ROWS, _COLUMN_BYTES = 65_536, 16 << 20
_SHOWN: Final = 1000  # characters of a line that is too long

Read = Iterator[tuple[Batch, list[Fault]]]
Shaped = tuple[Any, str]  # the instance, and JSON of what is shown of it


def batches(objects: Objects, part: Part, wish: Wish) -> Read:
    """The part's rows, in order.

    Raises:
        NoInput: the file has no such columns.
    """
    with objects.open(part.uri) as file:
        if wish.instances_format == "parquet":
            yield from _parquet(file, part, wish)
        elif wish.instances_format == "csv":
            for lines, faults in _blocks(file, part):
                typed, texts, bad = csv_rows.parse(lines, part.columns)
                yield columns(typed, texts, part.uri, wish), faults + bad
        else:
            shape = _file(objects) if wish.instances_format == "file-list" else _json_line(wish)
            for lines, faults in _blocks(file, part):
                yield from _shaped(lines, faults, shape, wish)


def _blocks(file: BinaryIO, part: Part) -> Iterator[tuple[list[str], list[Fault]]]:
    """The lines that begin in the part, some at a time."""
    lines: list[str] = []
    faults: list[Fault] = []
    held = 0
    for raw in _lines(file, part.start, part.stop):
        try:
            text = raw.decode("utf-8").strip("\r\n\ufeff")
        except UnicodeDecodeError as error:
            faults.append(Fault.of_text(raw.decode("utf-8", "replace").strip(), f"the line is not UTF-8: {error}"))
            continue
        if len(raw) > LONGEST_LINE:
            faults.append(Fault.of_text(text[:_SHOWN], f"the line is longer than {LONGEST_LINE >> 20} MiB"))
        elif text.strip():
            lines.append(text)
            held += len(raw)
        if held >= _BYTES or len(lines) >= _ROWS:
            yield lines, faults
            lines, faults, held = [], [], 0
    yield lines, faults


def _lines(file: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    """Lines that begin at start or later and before stop; of one that is too long the beginning."""
    position = start
    if start:
        file.seek(start - 1)
        position -= 1
        line = b""
        while not line.endswith(b"\n") and position < stop:
            line = file.readline(LONGEST_LINE)
            position += len(line)
    while position < stop and (line := file.readline(LONGEST_LINE + 1)):
        rest = line
        position += len(line)
        while len(rest) > LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE + 1)
            position += len(rest)
        yield line


# --- JSON lines, lists of files --------------------------------------------------------------------------------------


def _shaped(lines: list[str], faults: list[Fault], shape: Callable[[str], Shaped], wish: Wish) -> Read:
    values: list[Any] = []
    texts: list[str] = []
    held = 0
    for line in lines:
        try:
            value, shown = shape(line)
        except (ValueError, OSError, StorageError) as error:
            faults.append(Fault.of_text(line, str(error)))
            continue
        values.append(value)
        texts.append(shown)
        held += len(value["b64"]) if wish.instances_format == "file-list" else 0  # lines themselves are bounded
        if held > _BYTES:
            yield Rows(values, texts, wish.shown_as), []
            values, texts, held = [], [], 0
    yield Rows(values, texts, wish.shown_as), faults


def _file(objects: Objects) -> Callable[[str], Shaped]:
    def shape(uri: str) -> Shaped:
        try:
            with objects.open(uri.strip()) as file:
                content = file.read(LARGEST_FILE + 1)
        except FileNotFoundError as error:
            raise ValueError(
                f"{uri} can't be read: it is not there, or not in a bucket of inputConfig, outputConfig or the model"
            ) from error
        if len(content) > LARGEST_FILE:
            raise ValueError(f"{uri} is larger than {LARGEST_FILE >> 20} MiB")
        return {"b64": base64.b64encode(content).decode()}, json.dumps(uri)

    return shape


def _json_line(wish: Wish) -> Callable[[str], Shaped]:
    """How a line becomes an instance, by the job's InstanceConfig."""
    plain = not (wish.key_field or wish.included_fields or wish.excluded_fields)

    def shape(line: str) -> Shaped:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the line is not JSON: {error}") from error
        if plain and (not wish.instance_type or isinstance(value, list if wish.instance_type == "array" else dict)):
            return value, line
        if not isinstance(value, dict):
            raise ValueError("the line is not a JSON object, as instanceConfig takes it")  # noqa: TRY004  the row's
        return _chosen(value, wish), to_json(value[wish.key_field]) if wish.key_field else line

    return shape


def _chosen(row: dict[str, Any], wish: Wish) -> Any:
    """The fields that the model is sent."""
    missing = [name for name in (*wish.included_fields, wish.key_field) if name and name not in row]
    if missing:
        raise ValueError(f"the line has no field {', '.join(missing)}")
    names = wish.included_fields or [name for name in row if name not in (*wish.excluded_fields, wish.key_field)]
    if wish.instance_type == "array":
        return [row[name] for name in names]
    return {name: row[name] for name in names}


# --- columns ---------------------------------------------------------------------------------------------------------


def _parquet(file: BinaryIO, part: Part, wish: Wish) -> Read:
    parquet = pq.ParquetFile(file, buffer_size=1 << 20)
    groups: list[int] = []
    begin = skip = 0
    for group in range(parquet.metadata.num_row_groups):
        rows = parquet.metadata.row_group(group).num_rows
        if begin + rows > part.start and begin < part.stop:
            skip = skip if groups else part.start - begin
            groups.append(group)
        begin += rows
    left = part.stop - part.start
    width = max(_row_bytes(parquet.metadata), 1)
    size = max(min(_COLUMN_ROWS, _COLUMN_BYTES // width), 1)
    for batch in parquet.iter_batches(size, row_groups=groups, use_threads=False):
        kept = batch.slice(min(skip, batch.num_rows), left)
        skip, left = max(skip - batch.num_rows, 0), left - kept.num_rows
        if kept.num_rows:
            yield columns(kept, kept, part.uri, wish), []
        if not left:
            return


def _row_bytes(metadata: pq.FileMetaData) -> int:
    size = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return int(size // max(metadata.num_rows, 1))


def columns(typed: pa.RecordBatch, display: pa.RecordBatch, uri: str, wish: Wish) -> Columns:
    """The batch as InstanceConfig shapes it.

    Args:
        typed, display: the same rows as the model gets them and as the outputs show them.

    Raises:
        NoInput: there is no such column, or an output's column has the same name.
    """
    names = display.schema.names
    missing = [
        name for name in (*wish.included_fields, *wish.excluded_fields, wish.key_field) if name not in ("", *names)
    ]
    if missing:
        raise NoInput(f"{uri} has no column {', '.join(missing)} (instanceConfig); it has: {', '.join(names)}")
    if "prediction" in names and not wish.key_field and wish.predictions_format != "jsonl":
        raise NoInput(
            f"{uri} has a column 'prediction', which the outputs need: use predictionsFormat jsonl or a keyField"
        )
    left_out = (*wish.excluded_fields, wish.key_field)
    sent = typed.select(wish.included_fields or [name for name in names if name not in left_out])
    if wish.key_field:
        display = display.select([wish.key_field]).rename_columns(["key"])
    return Columns(sent, display, wish.instance_type == "object", bool(wish.key_field), wish.instances_format == "csv")
