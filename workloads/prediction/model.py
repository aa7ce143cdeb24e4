"""The loaded model: predicts, and tells faults of the input from faults of its own."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import InconsistentVersionWarning

from workloads.prediction import boosters, instances, loading
from workloads.prediction.instances import BadRequest
from workloads.prediction.optimised.session import Session


class BadModel(Exception):
    """The file is no model that this server can use."""


class Model:
    """A fitted estimator, pipeline or Booster.

    Args:
        estimator: anything with `predict`.

    Attributes:
        fast: the same in ONNX Runtime, which is asked first; what it does not take is the estimator's.
    """

    def __init__(self, estimator: Any) -> None:
        if not callable(getattr(estimator, "predict", None)):
            raise BadModel(
                f"the model file holds a {type(estimator).__name__}, which has no predict(): save a fitted estimator"
            )
        self.estimator = estimator
        self.fast: Session | None = None
        names = getattr(estimator, "feature_names_in_", None)
        self._columns = None if names is None else [str(name) for name in names]

    @classmethod
    def load(cls, path: Path) -> "Model":
        """The model in a file. Runs code of the file: only inside this container.

        Raises:
            BadModel: the file can't be loaded.
        """
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                estimator = loading.load(path)
        except Exception as error:  # whatever the pickled code raises
            raise BadModel(f"{path.name} can't be loaded: {type(error).__name__}: {error}") from error
        for warning in caught:
            if issubclass(warning.category, InconsistentVersionWarning):
                print(f"prediction: version skew: {warning.message}", flush=True)
                break
        return cls(estimator)

    def predict(self, request: instances.Request) -> list[Any]:
        """One prediction per instance.

        Raises:
            BadRequest: the model can't take the input; the text is the library's own, with the instance if it is one.
        """
        fast = self.fast and self.fast.predict(request.instances)
        if fast is not None:
            return instances.to_json(fast)
        try:
            return instances.to_json(self._predict(request.instances))
        except boosters.faults() as error:
            raise BadRequest(self._explain(request.instances, error)) from error

    @property
    def columns(self) -> list[str] | None:
        """The names that the model was fitted with, if it was."""
        return self._columns

    @property
    def width(self) -> int | None:
        """How many values an instance has, if the model tells."""
        return getattr(self.estimator, "n_features_in_", None)

    def estimate(self, data: Any) -> Any:
        """The estimator's own answer to a DataFrame or an array, and its own exceptions."""
        return self.estimator.predict(data)

    def predict_plainly(self, rows: list[Any]) -> Any:
        """An array, from the estimator itself.

        Raises:
            Exception: whatever it raises.
        """
        return np.asarray(self._predict(rows))

    @property
    def has_likelihoods(self) -> bool:
        """Whether it tells how likely each label is."""
        return hasattr(self.estimator, "predict_proba")

    def likelihoods(self, rows: list[Any]) -> Any:
        """How likely each label is, for each row."""
        return self.estimator.predict_proba(instances.to_input(rows, self._columns))

    def _predict(self, rows: list[Any]) -> Any:
        return self.estimate(instances.to_input(rows, self._columns))

    def _explain(self, rows: list[Any], error: Exception) -> str:
        """Name the first instance that fails alone: a search by halves would miss errors that need several."""
        for number, row in enumerate(rows if len(rows) > 1 else []):
            try:
                self._predict([row])
            except boosters.faults() as single:
                return f"instances[{number}]: {single}"
        return f"instances[0]: {error}" if len(rows) == 1 else str(error)
