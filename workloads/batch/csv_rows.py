"""Rows of CSV: numbers are told by their looks, outputs show the text as it was. Used by reading.py."""

import csv
import io
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from workloads.batch.wish import Fault

_BLOCK: Final = 64 << 20  # more than lines that are read together may have


def parse(lines: list[str], names: tuple[str, ...]) -> tuple[pa.RecordBatch, pa.RecordBatch, list[Fault]]:
    """The rows as the model gets them, as they were, and those that are none."""
    parsed, faults = _parsed(lines, names)
    if parsed is None:
        parsed, faults = _parsed_one_by_one(lines, names)
    return pa.record_batch([_numbers(column) for column in parsed.columns], names=list(names)), parsed, faults


def _parsed(lines: list[str], names: tuple[str, ...]) -> tuple[pa.RecordBatch | None, list[Fault]]:
    """All at once; None when a quote that is not closed has drawn lines together."""
    bad: list[Fault] = []

    def note(row: pa_csv.InvalidRow) -> str:
        bad.append(Fault.of_text(row.text, _width(row.actual_columns, len(names))))
        return "skip"

    if not lines:
        return _texts([[] for _ in names], names), []
    try:
        table = pa_csv.read_csv(
            io.BytesIO("\n".join(lines).encode()),
            pa_csv.ReadOptions(use_threads=False, column_names=list(names), block_size=_BLOCK),
            pa_csv.ParseOptions(invalid_row_handler=note, ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None, []
    if table.num_rows + len(bad) != len(lines):
        return None, []
    merged = table.combine_chunks().to_batches()
    return (merged[0] if merged else _texts([[] for _ in names], names)), bad


def _parsed_one_by_one(lines: list[str], names: tuple[str, ...]) -> tuple[pa.RecordBatch, list[Fault]]:
    rows: list[list[str]] = []
    faults: list[Fault] = []
    for line in lines:
        try:
            fields = next(csv.reader([line], strict=True))
        except csv.Error as error:
            faults.append(Fault.of_text(line, f"the row is not CSV: {error}; a field can't hold a line's end"))
            continue
        if len(fields) == len(names):
            rows.append(fields)
        else:
            faults.append(Fault.of_text(line, _width(len(fields), len(names))))
    return _texts([list(column) for column in zip(*rows, strict=True)] or [[] for _ in names], names), faults


def _width(has: int, header: int) -> str:
    return f"the row has {has} fields, the header has {header}"


def _texts(values: list[list[str]], names: tuple[str, ...]) -> pa.RecordBatch:
    return pa.record_batch([pa.array(each, pa.string()) for each in values], names=list(names))


def _numbers(column: pa.Array) -> pa.Array:
    """The column as numbers when all its values are finite ones, else as it is."""
    try:
        numbers = column.cast(pa.float64())
    except pa.ArrowInvalid:
        return column
    return numbers if pc.all(pc.is_finite(numbers)).as_py() is not False else column
