"""Rows on their way from the input to the model and to the outputs: as JSON values, or as Arrow columns. Pure."""

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa


class Batch(Protocol):
    """Some rows: what the model is sent of each, and what the outputs show of it."""

    def __len__(self) -> int:
        """How many."""

    @property
    def size(self) -> int:
        """Bytes in memory, roughly."""

    def cut(self, start: int, stop: int) -> "Batch":
        """Those from start to before stop."""

    def instances(self) -> list[Any]:
        """What is sent, as JSON values."""

    def shown(self) -> list[str]:
        """What is shown, as JSON."""

    def table(self) -> pa.RecordBatch:
        """What is shown, as columns."""


@dataclass(frozen=True)
class Rows:
    """Rows of JSON values.

    Attributes:
        texts: JSON of what is shown.
        shown_as: the column's name.
    """

    values: Sequence[Any]
    texts: Sequence[str]
    shown_as: str

    def __len__(self) -> int:
        """See Batch."""
        return len(self.values)

    @property
    def size(self) -> int:
        """See Batch."""
        return sum(map(_weight, self.values)) + sum(map(len, self.texts))

    def cut(self, start: int, stop: int) -> "Rows":
        """See Batch."""
        return Rows(self.values[start:stop], self.texts[start:stop], self.shown_as)

    def instances(self) -> list[Any]:
        """See Batch."""
        return list(self.values)

    def shown(self) -> list[str]:
        """See Batch."""
        return list(self.texts)

    def table(self) -> pa.RecordBatch:
        """See Batch."""
        shown = (json.loads(text) if text.startswith('"') else text for text in self.texts)
        return pa.record_batch({self.shown_as: pa.array(shown, pa.string())})


def _weight(value: Any) -> int:
    """Bytes of a file's content; any other instance is told by the text that is shown of it."""
    return len(value["b64"]) if isinstance(value, dict) and isinstance(value.get("b64"), str) else 0


@dataclass(frozen=True)
class Columns:
    """Rows as columns.

    Attributes:
        objects: whether an instance is an object with the columns' names, or an array.
        key: whether only the one shown column's value tells the row.
        numbers_in_text: whether a text that looks like a number is one, as in CSV.
    """

    sent: pa.RecordBatch
    display: pa.RecordBatch
    objects: bool = False
    key: bool = False
    numbers_in_text: bool = False

    def __len__(self) -> int:
        """See Batch."""
        return int(self.display.num_rows)

    @property
    def size(self) -> int:
        """See Batch."""
        return int(self.sent.nbytes + self.display.nbytes)

    def cut(self, start: int, stop: int) -> "Columns":
        """See Batch."""
        length = stop - start
        return Columns(
            self.sent.slice(start, length),
            self.display.slice(start, length),
            self.objects,
            self.key,
            self.numbers_in_text,
        )

    def instances(self) -> list[Any]:
        """See Batch."""
        return self._rows(self.sent)

    def shown(self) -> list[str]:
        """See Batch."""
        if self.key:
            return [to_json(value) for value in self.display.column(0).to_pylist()]
        return [to_json(row) for row in self._rows(self.display)]

    def table(self) -> pa.RecordBatch:
        """See Batch."""
        return self.display

    def frame(self, names: list[str]) -> Any:
        """These of the sent columns as a pandas DataFrame."""
        chosen = self.sent.select(names)
        frame = chosen.to_pandas()
        for name, column in zip(names, chosen.columns, strict=True):
            if self.numbers_in_text and _is_text(column):
                frame[name] = self._values(column)
        return frame

    def _rows(self, columns: pa.RecordBatch) -> list[Any]:
        values = [self._values(column) for column in columns.columns]
        if self.objects:
            return [dict(zip(columns.schema.names, row, strict=True)) for row in zip(*values, strict=True)]
        return [list(row) for row in zip(*values, strict=True)]

    def _values(self, column: pa.Array) -> list[Any]:
        values: list[Any] = column.to_pylist()
        return [number_or_text(each) for each in values] if self.numbers_in_text and _is_text(column) else values


def _is_text(column: pa.Array) -> bool:
    return bool(pa.types.is_string(column.type))


def number_or_text(field: str) -> float | str:
    """A field of CSV: a number if it looks like a finite one."""
    try:
        number = float(field)
    except ValueError:
        return field
    return number if math.isfinite(number) else field


def to_json(value: Any) -> str:
    """JSON, compact; what JSON has no form for is text, bytes are base64, NaN and infinities are null."""
    try:
        return json.dumps(value, separators=(",", ":"), default=_plain, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), separators=(",", ":"), default=_plain)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | timedelta):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
