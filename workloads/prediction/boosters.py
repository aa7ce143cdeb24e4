"""XGBoost's and LightGBM's own models (Booster), made to predict as scikit-learn's do. Neither is imported in vain."""

import sys
from typing import Any, Final

import numpy as np

_FAULTS: Final = (ValueError, TypeError, KeyError, AttributeError, IndexError)  # XGBoostError is a ValueError


class XgboostBooster:
    """An xgboost.Booster; predicts what `Booster.predict` does: probabilities, numbers or, for multi:softmax, labels.

    Attributes:
        booster: the model.
        n_features_in_: how many values an instance has.
        feature_names_in_: the names that it was fitted with, or None.
    """

    def __init__(self, booster: Any) -> None:
        self.booster = booster
        self.n_features_in_: int = booster.num_features()
        self.feature_names_in_: list[str] | None = booster.feature_names

    def predict(self, rows: Any) -> Any:
        """One number, or one array of them, per row; missing values are NaN.

        Raises:
            ValueError: a value is no number, or there are too many or too few.
        """
        from xgboost import DMatrix

        return self.booster.predict(DMatrix(_numbers(rows, self.n_features_in_), feature_names=self.feature_names_in_))


class LightgbmBooster:
    """A lightgbm.Booster; predicts what `Booster.predict` does. Its attributes are XgboostBooster's."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster
        self.n_features_in_: int = booster.num_feature()
        names = booster.feature_name()
        unnamed = [f"Column_{number}" for number in range(len(names))]  # LightGBM's own for arrays
        self.feature_names_in_: list[str] | None = None if names == unnamed else names

    def predict(self, rows: Any) -> Any:
        """One number, or one array of them, per row; missing values are NaN.

        Raises:
            ValueError: a value is no number, or there are too many or too few.
        """
        return self.booster.predict(_numbers(rows, self.n_features_in_))


def _numbers(rows: Any, count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The rows; XGBoost itself would take the last values for missing ones if there are too few."""
    numbers = np.asarray(rows, dtype=float)
    if numbers.ndim != 2 or numbers.shape[1] != count:  # noqa: PLR2004  rows and columns
        raise ValueError(f"it must be an array of {count} numbers, which is what the model takes")
    return numbers


def wrapped(model: Any) -> Any:
    """A Booster of either library in its class here; anything else as it is."""
    kind = (type(model).__module__.split(".")[0], type(model).__name__)
    if kind == ("xgboost", "Booster"):
        return XgboostBooster(model)
    return LightgbmBooster(model) if kind == ("lightgbm", "Booster") else model


def faults() -> tuple[type[Exception], ...]:
    """What scikit-learn, XGBoost and LightGBM raise for an input that they can't take."""
    lightgbm = sys.modules.get("lightgbm")
    return (*_FAULTS, lightgbm.basic.LightGBMError) if lightgbm else _FAULTS
