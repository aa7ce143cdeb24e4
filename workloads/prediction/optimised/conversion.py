"""A fitted model → ONNX that predicts the same on samples, or the reason why there is none. In a process of its own."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from onnxmltools.convert import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType as XgboostFloat
from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as xgboost_converter
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, StringTensorType
from skl2onnx.common.shape_calculator import (
    calculate_linear_classifier_output_shapes,
    calculate_linear_regressor_output_shapes,
)

from workloads.prediction.boosters import XgboostBooster
from workloads.prediction.model import Model
from workloads.prediction.optimised import reading, samples, trees
from workloads.prediction.optimised.session import INPUT, Column, Session, Signature

RELATIVE, ABSOLUTE = 1e-5, 1e-6  # how far numbers may be from the plain ones
_TIE: Final = 1e-6  # labels may differ where the two likeliest are as near as this
_FIRST, _LIKELY = 0, 1  # of the outputs: labels or numbers, and how likely each label is
_OPSET: Final = {"": 18, "ai.onnx.ml": 3}
_TENSORS: Final = {"float64": DoubleTensorType, "float32": FloatTensorType}


class Unequal(Exception):
    """The converted model predicts something else; the text says what and where."""


@dataclass(frozen=True)
class Converted:
    """A model that predicted as the plain one did on so many samples, of which so many were the user's own."""

    model: bytes
    signature: Signature
    samples: int
    given: int


def convert(plain: Model, own: list[list[Any]]) -> Converted:
    """The first conversion that predicts the same: in doubles, or in the floats that trees may count in.

    Args:
        own: instances that came with the model, as arrays.

    Raises:
        Exception: whatever the converters raise, or Unequal, of the first attempt.
    """
    _register()
    estimator = reading.inner(plain.estimator)
    columns = reading.columns(estimator)
    rows = [*own, *_samples(plain, estimator, columns)]
    expected = plain.predict_plainly(rows)
    trouble: Exception | None = None
    for number in ("float32", "float64") if _counts_in_floats(estimator) else ("float64", "float32"):
        try:
            signature = _signature(plain.estimator, estimator, columns, number, expected)
            model = _onnx(estimator, signature)
            compared = compare(plain, Session(model, signature), rows, expected)
            return Converted(model, signature, compared, len(own))
        except Exception as error:  # noqa: BLE001  converters raise anything
            trouble = trouble or error
    raise trouble or Unequal("there is no conversion")


def _samples(plain: Model, estimator: Any, columns: tuple[Column, ...]) -> list[list[Any]]:
    rows = samples.made(columns, reading.points(estimator))
    return [*rows, *samples.borders(rows, columns, _score(plain))]


def _score(plain: Model) -> samples.Score:
    """The numbers behind a prediction."""
    return plain.likelihoods if plain.has_likelihoods else plain.predict_plainly


def _counts_in_floats(estimator: Any) -> bool:
    """Whether the model itself rounds its input to float32: scikit-learn's trees and XGBoost's."""
    kind = type(estimator)
    return kind.__module__.startswith(
        ("sklearn.tree", "sklearn.ensemble._forest", "sklearn.ensemble._gb", "xgboost")
    ) or isinstance(estimator, XgboostBooster)


def _signature(whole: Any, estimator: Any, columns: tuple[Column, ...], number: str, expected: Any) -> Signature:
    """How the server asks the model, and reads its answer."""
    threshold = reading.threshold(whole)
    if isinstance(estimator, XgboostBooster):
        output, pick = _of_booster(estimator)
    else:
        output, pick = _FIRST, None
    return Signature(
        columns=columns,
        named=getattr(estimator, "feature_names_in_", None) is not None,
        table=not (reading.is_split(estimator) or any(column.texts for column in columns)),
        number=number,
        output=_LIKELY if threshold is not None else output,
        pick=pick,
        flat=expected.ndim == 1,
        result="" if expected.dtype.kind in "OU" else str(expected.dtype),
        threshold=threshold,
        classes=() if threshold is None else tuple(np.asarray(whole.classes_).tolist()),
    )


def _of_booster(estimator: XgboostBooster) -> tuple[int, int | None]:
    """Output and column that Booster.predict gives.

    Raises:
        ValueError: an objective that is not covered.
    """
    objective = reading.objective(estimator)
    if objective == "binary:logistic":
        return _LIKELY, 1
    if objective in ("multi:softprob", "multi:softmax"):
        return (_LIKELY if objective == "multi:softprob" else _FIRST), None
    if objective.startswith(("reg:", "count:")):
        return _FIRST, None
    raise ValueError(f"its objective is {objective}")


def _onnx(estimator: Any, signature: Signature) -> bytes:
    """The converted model, not compared yet."""
    count = len(signature.columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(estimator, XgboostBooster):
            types = [(INPUT, XgboostFloat([None, count]))]
            return bytes(convert_xgboost(estimator.booster, initial_types=types).SerializeToString())
        options = {"zipmap": False} if hasattr(estimator, "predict_proba") else {}
        model = convert_sklearn(
            estimator, initial_types=list(_types(signature)), target_opset=_OPSET, options={id(estimator): options}
        )
    trees.raise_opset(model)
    return bytes(model.SerializeToString())


def _types(signature: Signature) -> Iterator[tuple[str, Any]]:
    number = _TENSORS[signature.number]
    if signature.table:
        yield INPUT, number([None, len(signature.columns)])
        return
    for column in signature.columns:
        yield column.name, (number if column.texts is None else StringTensorType)([None, 1])


def compare(plain: Model, session: Session, rows: list[list[Any]], expected: Any) -> int:
    """On how many of the rows both predict, and predict the same.

    Raises:
        Unequal: they differ, or the conversion takes none of the rows.
    """
    places, found = [], []
    for place, row in enumerate(rows):
        prediction = session.predict([row])
        if prediction is not None:
            places.append(place)
            found.append(prediction[0])
    if not places:
        raise Unequal("none of the samples is of the kind that it takes")
    wanted, got = expected[places], np.asarray(found)
    if wanted.dtype.kind == "f" and not plain.has_likelihoods:
        wrong = ~np.isclose(got, wanted, rtol=RELATIVE, atol=ABSOLUTE).reshape(len(places), -1).all(axis=1)
    else:
        wrong = got != wanted
        if wrong.any() and plain.has_likelihoods:
            wrong &= ~_ties(plain, [rows[place] for place in places])
    if wrong.any():
        first = int(np.argmax(wrong))
        raise Unequal(
            f"on {int(wrong.sum())} of {len(places)} samples ONNX predicts something else, "
            f"like {got[first]} instead of {wanted[first]}"
        )
    return len(places)


def _ties(plain: Model, rows: list[list[Any]]) -> Any:
    """Where the plain model itself hardly knows."""
    likely = np.asarray(plain.likelihoods(rows))
    threshold = reading.threshold(plain.estimator)
    if threshold is not None:
        return np.abs(likely[:, 1] - threshold) < _TIE
    two = np.sort(likely, axis=1)[:, -2:]
    return two[:, 1] - two[:, 0] < _TIE


def _register() -> None:
    import xgboost

    trees.register()
    options = {"zipmap": [True, False, "columns"], "nocl": [True, False]}
    kinds = {
        xgboost.XGBClassifier: (calculate_linear_classifier_output_shapes, options),
        xgboost.XGBRegressor: (calculate_linear_regressor_output_shapes, None),
    }
    for kind, (shapes, allowed) in kinds.items():
        update_registered_converter(kind, f"Cairn{kind.__name__}", shapes, xgboost_converter, options=allowed)
