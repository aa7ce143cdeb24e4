"""Writes a part's predictions_0001.<format> and errors_0001.<format>: whole, and only if there is something in them."""

import contextlib
import json
from collections.abc import Sequence
from types import TracebackType
from typing import Any, BinaryIO, Final, Protocol, Self

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from workloads.batch.batches import Batch, to_json
from workloads.batch.objects import Objects
from workloads.batch.wish import Counts, Fault, NoInput, Wish

FORMATS: Final = ("jsonl", "csv", "parquet")
STEMS: Final = ("predictions", "errors")
_MOST_ERRORS: Final = 20  # distinct texts in the counts
_HELD_ROWS, _HELD_BYTES = 65_536, 16 << 20  # of columns that are written together


class _Table(Protocol):
    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class Outputs:
    """Both files of a part. A context manager: they appear at its end, unless that is an exception.

    They take the place of what an earlier try at the part has left, which may have had other bad rows, or none.
    """

    def __init__(self, objects: Objects, wish: Wish, number: int) -> None:
        self._objects, self._wish, self._number = objects, wish, number
        self._files = contextlib.ExitStack()
        self._lines: dict[str, BinaryIO] = {}
        self._tables: dict[str, _Columnar] = {}
        self._successful = self._failed = 0
        self._texts: dict[str, None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind:
            self._files.__exit__(kind, problem, trace)
            return
        with self._files:
            for table in self._tables.values():
                table.close()
        for stem in {*STEMS} - self._lines.keys() - self._tables.keys():
            self._objects.remove(self._uri(stem))

    @property
    def counts(self) -> Counts:
        """So far."""
        return Counts(self._successful, self._failed, tuple(self._texts))

    def write(self, batch: Batch, predictions: Any) -> None:
        """One prediction for each row.

        Args:
            predictions: an Arrow array, or a list of JSON values.

        Raises:
            NoInput: predictions that are no column.
        """
        self._successful += len(batch)
        if self._wish.predictions_format == "jsonl":
            values = predictions.to_pylist() if isinstance(predictions, pa.Array) else predictions
            shown_as = self._wish.shown_as
            pairs = zip(batch.shown(), values, strict=True)
            lines = [f'{{"{shown_as}":{shown},"prediction":{to_json(value)}}}\n' for shown, value in pairs]
            self._line_file("predictions").write("".join(lines).encode())
        else:
            self._table("predictions").write(batch.table().append_column("prediction", column(predictions)))

    def fail(self, faults: Sequence[Fault]) -> None:
        """Rows without a prediction."""
        self._failed += len(faults)
        for each in faults:
            if len(self._texts) < _MOST_ERRORS:
                self._texts[each.message] = None
        if faults and self._wish.predictions_format == "jsonl":
            lines = (f'{{"{self._wish.shown_as}":{each.shown},"error":{_status(each)}}}\n' for each in faults)
            self._line_file("errors").write("".join(lines).encode())
        elif faults:
            rows = {self._wish.shown_as: [each.shown for each in faults], "error": [_status(each) for each in faults]}
            self._table("errors").write(pa.record_batch(rows))

    def _open(self, stem: str) -> BinaryIO:
        return self._files.enter_context(self._objects.draft(self._uri(stem)))

    def _uri(self, stem: str) -> str:
        name = f"{stem}_{self._number:04}.{self._wish.predictions_format}"
        return f"{self._wish.output_directory.rstrip('/')}/{name}"

    def _line_file(self, stem: str) -> BinaryIO:
        if stem not in self._lines:
            self._lines[stem] = self._open(stem)
        return self._lines[stem]

    def _table(self, stem: str) -> "_Columnar":
        if stem not in self._tables:
            self._tables[stem] = _Columnar(self._open(stem), self._wish.predictions_format)
        return self._tables[stem]


def _status(fault: Fault) -> str:
    return json.dumps({"code": fault.code, "message": fault.message})


def column(predictions: Any) -> pa.Array:
    """Predictions as one column: numbers are doubles, texts and truths what they are, all else its JSON."""
    if isinstance(predictions, pa.Array):
        return predictions
    kinds = {type(each) for each in predictions if each is not None}
    if kinds <= {int, float} and kinds:
        return pa.array([None if each is None else float(each) for each in predictions], pa.float64())
    if kinds in ({bool}, {str}):
        return pa.array(predictions)
    return pa.array([to_json(each) for each in predictions], pa.string())


class _Columnar:
    """A file of columns; some thousand rows are written together."""

    def __init__(self, file: BinaryIO, kind: str) -> None:
        self._file, self._kind = file, kind
        self._writer: _Table | None = None
        self._schema: pa.Schema | None = None
        self._held: list[pa.RecordBatch] = []

    def write(self, batch: pa.RecordBatch) -> None:
        self._schema = self._schema or batch.schema
        if batch.schema != self._schema:
            different = [a for a, b in zip(self._schema, batch.schema, strict=True) if a != b]
            raise NoInput(
                f"the model's predictions are not all of one type ({different} first, {batch.schema.field(-1)} later), "
                "so they make no column: use predictionsFormat jsonl"
            )
        self._held.append(batch)
        if (
            sum(each.num_rows for each in self._held) >= _HELD_ROWS
            or sum(each.nbytes for each in self._held) >= _HELD_BYTES
        ):
            self._flush()

    def close(self) -> None:
        self._flush()
        if self._writer:
            self._writer.close()

    def _flush(self) -> None:
        if not self._held:
            return
        table = pa.Table.from_batches(self._held)
        if self._kind == "csv":
            table = _flat(table)
        if self._writer is None:
            self._writer = self._make(table.schema)
        self._writer.write_table(table)
        self._held = []

    def _make(self, schema: pa.Schema) -> _Table:
        if self._kind == "csv":
            writer: _Table = pa_csv.CSVWriter(
                self._file, schema, write_options=pa_csv.WriteOptions(quoting_style="needed")
            )
        else:
            writer = pq.ParquetWriter(self._file, schema)
        return writer


def _flat(table: pa.Table) -> pa.Table:
    """What CSV has no form for (lists, structs, bytes) as JSON."""
    for number, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) or pa.types.is_binary(field.type):
            texts = [to_json(value) for value in table.column(number).to_pylist()]
            table = table.set_column(number, field.name, pa.array(texts, pa.string()))
    return table
