"""Works through one part: reads, predicts, writes. In the driver, or in a prebuilt server beside its model."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from workloads.batch import reading
from workloads.batch.batches import Batch
from workloads.batch.objects import Objects
from workloads.batch.outputs import Outputs
from workloads.batch.wish import Counts, Fault, Part, Wish

_FIRST: Final = 64  # rows of the first request
_MOST_ROWS: Final = 4096
_MOST_BYTES: Final = 1 << 20  # of a request; Vertex' servers take 1.5 MB
_QUICK_S, _SLOW_S = 0.1, 0.5  # grow below, shrink above


class Refusal(Exception):
    """The model refused some rows as a whole; alone, each of them may be taken.

    Attributes:
        code: google.rpc.Code.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Predictor(Protocol):
    """A model."""

    def predict(self, batch: Batch) -> Any:
        """One prediction for each row: an Arrow array, or a list of JSON values.

        Raises:
            Refusal: it can't take them, or one of them.
        """

    def rows(self, batch: Batch) -> int:
        """How many of the batch's rows suit the model at once."""


class Pace:
    """How many rows a request has: more while answers come quickly, never more than the user's batch size."""

    def __init__(self, most: int) -> None:
        self._most = most or _MOST_ROWS
        self._rows = min(_FIRST, self._most)

    def rows(self, batch: Batch) -> int:
        """For the next request."""
        by_bytes = _MOST_BYTES * len(batch) // max(batch.size, 1)
        return max(min(self._rows, by_bytes), 1)

    def took(self, rows: int, seconds: float) -> None:
        """A request's time: of full ones the next size is told."""
        if seconds > _SLOW_S:
            self._rows = max(min(self._rows, rows) // 2, 1)
        elif seconds < _QUICK_S and rows >= self._rows:
            self._rows = min(self._rows * 2, self._most)


def work(
    objects: Objects, wish: Wish, part: Part, model: Predictor, tell: Callable[[Counts], None] = lambda _: None
) -> Counts:
    """The part's counts, its outputs in place.

    Args:
        tell: called with the counts so far, at most once a second.

    Raises:
        NoInput: the part can't be worked through, ever.
    """
    told = time.monotonic()
    with Outputs(objects, wish, part.number) as outputs:
        for batch, faults in reading.batches(objects, part, wish):
            outputs.fail(faults)
            for piece in _pieces(batch, model):
                _answer(piece, model, outputs)
                if time.monotonic() - told >= 1:
                    tell(outputs.counts)
                    told = time.monotonic()
    return outputs.counts


def _pieces(batch: Batch, model: Predictor) -> Iterator[Batch]:
    start = 0
    while start < len(batch):
        stop = min(start + model.rows(batch), len(batch))
        yield batch.cut(start, stop)
        start = stop


def _answer(batch: Batch, model: Predictor, outputs: Outputs) -> None:
    """Rows that are refused are halved until the bad ones stand alone."""
    try:
        predictions = model.predict(batch)
    except Refusal as refusal:
        if len(batch) == 1:
            outputs.fail([Fault(batch.shown()[0], refusal.code, str(refusal))])
            return
        half = len(batch) // 2
        _answer(batch.cut(0, half), model, outputs)
        _answer(batch.cut(half, len(batch)), model, outputs)
        return
    outputs.write(batch, predictions)
