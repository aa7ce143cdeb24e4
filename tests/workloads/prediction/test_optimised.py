"""The optimised runtime: what becomes ONNX predicts the same, the rest says why not, and nothing stops a server."""

import json
import os
import time
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from workloads.prediction.boosters import wrapped
from workloads.prediction.instances import BadRequest, Request
from workloads.prediction.model import Model
from workloads.prediction.optimised import conversion, samples
from workloads.prediction.optimised.session import Column, Session
from workloads.prediction.optimised.verdict import Attempt
from workloads.prediction.server import ready
from workloads.prediction.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore")  # the converters' own, of their libraries' coming versions
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(400, 4))
LABELS = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)
NUMBERED = np.digitize(X[:, 0], [-0.5, 0.5])
THREE = np.array(["low", "mid", "high"])[NUMBERED]
QUIET: dict[str, Any] = {"verbose": -1, "n_estimators": 8}
FLIGHTS = pd.DataFrame(
    {"carrier": RANDOM.choice(["AA", "UA", "B6"], 400), "hour": RANDOM.integers(0, 24, 400), "far": X[:, 2] * 300 + 900}
)
LATE = ((FLIGHTS.carrier == "AA") & (FLIGHTS.hour > 10)).astype(int)


def xgb(objective: str, labels: Any, **more: Any) -> Any:
    """A tiny Booster."""
    return wrapped(xgboost.train({"objective": objective, "max_depth": 3, **more}, xgboost.DMatrix(X, labels), 5))


def lgb(objective: str, labels: Any, **more: Any) -> Any:
    """A tiny Booster."""
    return wrapped(lightgbm.train({"objective": objective, "verbose": -1, **more}, lightgbm.Dataset(X, labels), 5))


def mixed(encoder: Any, last: Any, places: tuple[Any, Any, Any], data: Any) -> Any:
    """A pipeline over a text and two numbers."""
    encode = ColumnTransformer([("text", encoder, [places[0]]), ("numbers", StandardScaler(), list(places[1:]))])
    return make_pipeline(encode, last).fit(data, LATE)


def thresholded() -> Any:
    """As the example saves it: arrays of texts and numbers, and a threshold on the frozen pipeline's probability."""
    rows = FLIGHTS.to_numpy(dtype=object)
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    frozen = FrozenEstimator(mixed(encoder, HistGradientBoostingClassifier(max_iter=8), (0, 1, 2), rows))
    return FixedThresholdClassifier(frozen, threshold=0.37, response_method="predict_proba").fit(rows, LATE)


MODELS: dict[str, Any] = {
    "forest": lambda: RandomForestClassifier(8, random_state=0).fit(X, THREE),
    "histogram trees": lambda: HistGradientBoostingClassifier(max_iter=8).fit(X, THREE),
    "histogram counts": lambda: HistGradientBoostingRegressor(loss="poisson", max_iter=8).fit(X, LABELS),
    "line": lambda: LinearRegression().fit(X, X[:, 0]),
    "scaled": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABELS),
    "named texts": lambda: mixed(OneHotEncoder(), LogisticRegression(), ("carrier", "hour", "far"), FLIGHTS),
    "threshold": thresholded,
    "XGBClassifier": lambda: xgboost.XGBClassifier(n_estimators=5).fit(X, LABELS),
    "XGBRegressor": lambda: xgboost.XGBRegressor(n_estimators=5).fit(X, X[:, 0]),
    "xgboost binary": lambda: xgb("binary:logistic", LABELS),
    "xgboost classes": lambda: xgb("multi:softprob", NUMBERED, num_class=3),
    "xgboost labels": lambda: xgb("multi:softmax", NUMBERED, num_class=3),
    "xgboost numbers": lambda: xgb("reg:squarederror", X[:, 0]),
    "LGBMClassifier": lambda: lightgbm.LGBMClassifier(**QUIET).fit(X, THREE),
    "LGBMRegressor": lambda: lightgbm.LGBMRegressor(objective="poisson", **QUIET).fit(X, LABELS),
    "lightgbm binary": lambda: lgb("binary", LABELS),
    "lightgbm classes": lambda: lgb("multiclass", NUMBERED, num_class=3),
}


def rows_of(model: Any) -> list[list[Any]]:
    """Instances that the model has not been compared on."""
    frame = FLIGHTS if getattr(model, "n_features_in_", 3) == 3 else pd.DataFrame(X)
    return [list(row) for row in frame.head(100).to_numpy(dtype=object).tolist()]


@pytest.mark.parametrize("name", MODELS)
def test_a_converted_model_predicts_the_same(name: str) -> None:
    """Labels are equal, numbers to 1e-5, beside its thresholds too; all instances go through ONNX Runtime."""
    plain = Model(MODELS[name]())
    made = conversion.convert(plain, [])
    assert made.samples > 300
    fast = Session(made.model, made.signature)
    rows = rows_of(plain.estimator)
    expected, got = plain.predict_plainly(rows), fast.predict(rows)
    assert got.dtype.kind == expected.dtype.kind or expected.dtype.kind in "OU"
    if expected.dtype.kind == "f":
        np.testing.assert_allclose(got, expected, rtol=conversion.RELATIVE, atol=conversion.ABSOLUTE)
    else:
        assert got.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (lambda: DummyRegressor().fit(X, LABELS), "shape calculator"),
        (lambda: lgb("binary", LABELS, boosting="rf", bagging_freq=1, bagging_fraction=0.5), "averages its trees"),
        (lambda: xgb("binary:logitraw", LABELS), "objective is binary:logitraw"),
        (lambda: HistGradientBoostingClassifier(categorical_features=[0]).fit(np.round(X) % 3, LABELS), "categories"),
    ],
)
def test_a_model_that_cant_be_converted_says_why(model: Any, why: str) -> None:
    """No converter, kinds of trees and objectives that are not covered: the reason names it."""
    plain = Model(model())
    with pytest.raises(Exception, match=why):
        conversion.convert(plain, [])


def test_another_prediction_is_found_out() -> None:
    """A conversion to float32 of trees that count in doubles is caught by the samples beside the thresholds."""
    model = HistGradientBoostingClassifier(max_iter=8).fit(X, LABELS)
    plain = Model(model)
    made = conversion.convert(plain, [])
    columns = made.signature.columns
    floats = conversion._signature(model, model, columns, "float32", plain.predict_plainly(X.tolist()))
    rows = conversion._samples(plain, model, columns)
    with pytest.raises(conversion.Unequal, match="ONNX predicts something else"):
        conversion.compare(plain, Session(conversion._onnx(model, floats), floats), rows, plain.predict_plainly(rows))
    assert conversion.compare(plain, Session(made.model, made.signature), rows, plain.predict_plainly(rows)) == len(
        rows
    )


@pytest.mark.parametrize(
    "row", [["ZZ", 1, 2.0], ["AA", None, 2.0], ["AA", True, 2.0], ["AA", "x", 2.0], ["AA", 1], ["AA", 1, 1e400]]
)
def test_what_was_not_compared_is_the_plain_models(row: list[Any]) -> None:
    """Unknown texts, nulls, booleans, texts for numbers, infinities: the same answer or error as without ONNX."""
    plain, quick = Model(MODELS["threshold"]()), Model(MODELS["threshold"]())
    made = conversion.convert(quick, [])
    quick.fast = Session(made.model, made.signature)
    assert quick.fast.predict([row]) is None

    def answer(model: Model) -> Any:
        try:
            return model.predict(Request([row], {}))
        except BadRequest as error:
            return str(error)

    assert answer(quick) == answer(plain)


def test_records_go_through_onnx_too() -> None:
    """Instances as objects, for a model with names; one that lacks a feature is the plain model's to refuse."""
    plain = Model(MODELS["named texts"]())
    made = conversion.convert(plain, [])
    fast = Session(made.model, made.signature)
    records = json.loads(FLIGHTS.head(20).to_json(orient="records"))
    assert fast.predict(records).tolist() == plain.predict_plainly(records).tolist()
    assert fast.predict([{"carrier": "AA"}]) is None


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("sample_instances.json", [[1, 2], {"b": 2, "a": 1}, [1]], 2),
        ("input_example.json", {"columns": ["a", "b"], "data": [[1, 2]]}, 1),
        ("other.json", [[1, 2]], 0),
    ],
)
def test_samples_of_the_users_own(tmp_path: Path, name: str, content: Any, found: int) -> None:
    """Ours, a list of instances, and MLflow's example of an input; instances of another length are left out."""
    (tmp_path / name).write_text(json.dumps(content))
    assert samples.given(tmp_path, (Column("a"), Column("b"))) == [[1, 2]] * found


def saved(tmp_path: Path, model: Any) -> Path:
    """The model's file."""
    joblib.dump(model, tmp_path / "model.joblib")
    return tmp_path / "model.joblib"


def test_the_server_converts_beside_loading_and_says_so(tmp_path: Path) -> None:
    """By default the model gets its faster self; CAIRN_RUNTIME=plain keeps it as it is; both with their reason."""
    path = saved(tmp_path, MODELS["scaled"]())
    model, verdict = ready(path, Settings(str(tmp_path)))
    assert model.fast is not None
    assert str(verdict).startswith("ONNX Runtime, as it predicts the same on 3")
    model, verdict = ready(path, Settings(str(tmp_path), may_convert=False))
    assert (model.fast, str(verdict)) == (None, "the plain runtime, as CAIRN_RUNTIME says so")
    _, verdict = ready(saved(tmp_path, DummyRegressor().fit(X, LABELS)), Settings(str(tmp_path)))
    assert str(verdict).startswith("the plain runtime, as it can't be converted to ONNX: MissingShapeCalculator")


class Nasty:
    """Does something else when it is loaded in another process than the test's."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (f"{self.code} if __import__('os').getpid() != {os.getpid()} else 1",)


@pytest.mark.parametrize(
    ("code", "memory", "longest_s", "why"),
    [
        ("__import__('os')._exit(9)", 0, 60, "ended with code 9"),
        ("bytearray(1 << 32)", 1 << 30, 60, "more memory than the 1024 MiB that are left"),
        ("[__import__('os').fork() for _ in range(2)] and __import__('time').sleep(600)", 0, 8, "longer than 8 s"),
    ],
)
def test_a_conversion_is_bounded(tmp_path: Path, code: str, memory: int, longest_s: float, why: str) -> None:
    """One that dies, takes all memory, or forks and hangs is ended with all its processes; the plain model serves."""
    with Attempt(saved(tmp_path, Nasty(code)), longest_s) as attempt:
        verdict = attempt.finish(memory)
        group = attempt._process.pid
    assert not verdict.is_onnx
    assert why in verdict.why
    with pytest.raises(ProcessLookupError):
        _gone(group)


def _gone(group: int) -> None:
    """Raise once nobody of the group is left."""
    for _ in range(100):
        os.killpg(group, 0)
        time.sleep(0.05)
