"""Predicts with ONNX Runtime what was compared: finite numbers and known texts. Other instances are the model's own."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = (
    "1"  # ONNX Runtime would call home; it reads this at its import, which comes later
)
INPUT: Final = "X"  # of models that take one table of numbers
MODEL, SIGNATURE = "model.onnx", "signature.json"


@dataclass(frozen=True)
class Column:
    """What a model takes at one place of an instance.

    Attributes:
        name: of the feature, or of the ONNX input.
        texts: those that the model was fitted with; None: numbers.
    """

    name: str
    texts: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Signature:
    """How instances become inputs and outputs predictions.

    Attributes:
        named: instances may come as objects.
        table: one input of numbers, not one for each column.
        number: "float64" or "float32".
        output: which of the outputs is the prediction, counted from 0.
        pick: its column, if not all of it.
        flat: one number or label for each row, not an array.
        result: the predictions' numpy type; "" for texts.
        threshold: of the second class's probability, where that decides.
        classes: the labels that it decides between.
    """

    columns: tuple[Column, ...]
    named: bool
    table: bool
    number: str
    output: int
    pick: int | None = None
    flat: bool = True
    result: str = ""
    threshold: float | None = None
    classes: tuple[Any, ...] = ()

    def to_json(self) -> str:
        """For the file beside the model."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Signature":
        """The reverse."""
        raw = json.loads(text)
        columns = tuple(
            Column(each["name"], None if each["texts"] is None else tuple(each["texts"])) for each in raw["columns"]
        )
        return cls(**{**raw, "columns": columns, "classes": tuple(raw["classes"])})

    def inputs(self, rows: list[Any]) -> dict[str, Any] | None:
        """What the session takes; None where an instance is not of the kind that was compared."""
        if isinstance(rows[0], dict):
            names = [column.name for column in self.columns]
            if not self.named or any(name not in row for row in rows for name in names):
                return None
            rows = [[row[name] for name in names] for row in rows]
        elif not isinstance(rows[0], list) or len(rows[0]) != len(self.columns):
            return None
        if self.table:
            table = self._numbers(rows)
            return None if table is None or table.ndim != 2 else {INPUT: table}  # noqa: PLR2004  rows and columns
        return self._by_column(rows)

    def _by_column(self, rows: list[Any]) -> dict[str, Any] | None:
        found = {}
        for column, values in zip(self.columns, zip(*rows, strict=True), strict=True):
            made = self._numbers(values) if column.texts is None else _texts(values, column.texts)
            if made is None or made.ndim != 1:
                return None
            found[column.name] = made.reshape(-1, 1)
        return found

    def _numbers(self, values: Any) -> Any:
        try:
            made = np.array(values)
        except ValueError:
            return None
        if made.dtype.kind not in "fi":
            return None
        with np.errstate(over="ignore"):
            made = made.astype(self.number)
        return made if np.isfinite(made).all() else None

    def prediction(self, output: Any) -> Any:
        """As the plain model gives it."""
        made = np.asarray(output)
        if self.threshold is not None:
            return np.asarray(self.classes)[(made[:, 1] >= self.threshold).astype(int)]
        if self.pick is not None:
            made = made[:, self.pick]
        if self.flat:
            made = made.reshape(-1)
        return made.astype(self.result) if self.result else made


def _texts(values: Any, known: tuple[str, ...]) -> Any:
    return np.array(values, dtype=object) if all(value in known for value in values) else None


class Session:
    """A model in ONNX Runtime, in the caller's thread: a request takes microseconds, and many run side by side."""

    def __init__(self, model: bytes, signature: Signature) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # it warns of shapes that converters leave open
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._signature = signature
        self._wanted = [self._session.get_outputs()[signature.output].name]

    @classmethod
    def load(cls, folder: Path) -> "Session":
        """From the files that `python -m workloads.prediction.optimised` left."""
        return cls((folder / MODEL).read_bytes(), Signature.from_json((folder / SIGNATURE).read_text()))

    def predict(self, rows: list[Any]) -> Any:
        """An array, or None where an instance is not of the kind that was compared."""
        inputs = self._signature.inputs(rows)
        return None if inputs is None else self._signature.prediction(self._session.run(self._wanted, inputs)[0])
