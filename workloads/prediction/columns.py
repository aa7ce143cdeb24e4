"""The loaded model as a batch job's parts see it: columns in, a column out."""

from typing import Any

import numpy as np
import pyarrow as pa

from workloads.batch.batches import Batch, Columns
from workloads.batch.wish import INVALID_ARGUMENT, NoInput, Wish
from workloads.batch.work import Refusal
from workloads.prediction import boosters, instances
from workloads.prediction.instances import BadRequest
from workloads.prediction.model import Model


class Local:
    """See work.Predictor."""

    def __init__(self, model: Model, wish: Wish) -> None:
        self._model, self._wish = model, wish

    def rows(self, batch: Batch) -> int:
        """As many as are there, but for the user's batch size."""
        return self._wish.batch_size or len(batch)

    def predict(self, batch: Batch) -> Any:
        """The model's answer, one value or list for each row; NaN is none."""
        try:
            data = self._columns(batch) if isinstance(batch, Columns) else self._values(batch)
            answer = self._model.estimate(data)
        except BadRequest as error:
            raise Refusal(INVALID_ARGUMENT, str(error)) from error
        except boosters.faults() as error:
            raise Refusal(INVALID_ARGUMENT, str(error)) from error
        if isinstance(answer, np.ndarray) and answer.ndim == 1 and answer.dtype != object:
            return pa.array(answer, from_pandas=True)
        return instances.to_json(answer)

    def _values(self, batch: Batch) -> Any:
        wish = instances.parse({"instances": batch.instances(), "parameters": self._wish.parameters})
        return instances.to_input(wish.instances, self._model.columns)

    def _columns(self, batch: Columns) -> Any:
        names = self._names(batch)
        frame = batch.frame(names)
        if self._model.columns is None:
            return frame.to_numpy()
        return frame.set_axis(self._model.columns, axis=1)

    def _names(self, batch: Columns) -> list[str]:
        """The batch's columns in the model's order.

        Raises:
            NoInput: the input has others: no row could be predicted.
        """
        given: list[str] = batch.sent.schema.names
        wanted = self._model.columns
        if batch.objects and wanted is not None:
            missing = [name for name in wanted if name not in given]
            if missing:
                raise NoInput(f"the input has no column {', '.join(missing)}, which the model takes; it has {given}")
            return wanted
        width = self._model.width if wanted is None else len(wanted)
        if width is not None and width != len(given):
            raise NoInput(
                f"the input has {len(given)} columns ({', '.join(given[:20])}), the model takes {width}"
                + (f" ({', '.join(wanted[:20])})" if wanted else "")
                + ": choose them by instanceConfig.includedFields"
            )
        return given
