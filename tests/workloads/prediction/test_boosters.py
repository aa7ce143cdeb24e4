"""XGBoost's and LightGBM's models: loaded from the files that Vertex and MLflow know, predicting as they do here."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost

from workloads.prediction.artifacts import find_model
from workloads.prediction.instances import BadRequest, Request
from workloads.prediction.model import BadModel, Model

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(300, 3))
LABELS = (FEATURES[:, 0] > FEATURES[:, 1] * FEATURES[:, 2]).astype(int)
ROWS: list[list[Any]] = FEATURES[:20].tolist()


def xgboost_booster(names: list[str] | None = None) -> xgboost.Booster:
    """A tiny classifier."""
    data = xgboost.DMatrix(FEATURES, LABELS, feature_names=names)
    return xgboost.train({"objective": "binary:logistic", "max_depth": 3}, data, 5)


def lightgbm_booster(names: list[str] | None = None) -> lightgbm.Booster:
    """A tiny classifier."""
    data = lightgbm.Dataset(FEATURES, LABELS, feature_name=names or "auto", params={"verbose": -1})
    return lightgbm.train({"objective": "binary", "verbose": -1}, data, 5)


def save(how: Callable[[Path], Any], path: Path) -> Model:
    """The model as the server finds and loads it."""
    how(path)
    return Model.load(find_model(path.parent))


@pytest.mark.parametrize("name", ["model.bst", "model.ubj", "model.json", "model.pkl", "model.joblib"])
@pytest.mark.filterwarnings("ignore:.*Saving model in the UBJSON format:UserWarning")
def test_xgboosts_own_models(tmp_path: Path, name: str) -> None:
    """Each of its file names gives exactly the probabilities that Booster.predict gives; null is a missing value."""
    booster = xgboost_booster()
    how: Any = {
        ".pkl": lambda path: path.write_bytes(pickle.dumps(booster)),
        ".joblib": lambda p: joblib.dump(booster, p),
    }
    model = save(how.get(Path(name).suffix, booster.save_model), tmp_path / name)
    rows = [*ROWS, [None, 1, 2.5]]
    assert model.predict(Request(rows, {})) == booster.predict(xgboost.DMatrix(np.asarray(rows, dtype=float))).tolist()


@pytest.mark.parametrize("name", ["model.txt", "model.lgb", "model.pkl"])
def test_lightgbms_own_models(tmp_path: Path, name: str) -> None:
    """Each of its file names gives exactly the probabilities that Booster.predict gives; null is a missing value."""
    booster = lightgbm_booster()
    pickled = name.endswith(".pkl")
    how = (lambda path: path.write_bytes(pickle.dumps(booster))) if pickled else booster.save_model
    rows = [*ROWS, [None, 1, 2.5]]
    assert save(how, tmp_path / name).predict(Request(rows, {})) == list(booster.predict(np.asarray(rows, dtype=float)))


@pytest.mark.parametrize("train", [xgboost_booster, lightgbm_booster])
def test_records_come_in_the_boosters_order(tmp_path: Path, train: Callable[[list[str]], Any]) -> None:
    """Named features may come as objects with keys in any order; a missing one is named, as is a value too many."""
    model = save(lambda path: joblib.dump(train(["a", "b", "c"]), path), tmp_path / "model.joblib")
    records = [{"c": row[2], "a": row[0], "b": row[1]} for row in ROWS]
    assert model.predict(Request(records, {})) == model.predict(Request(ROWS, {}))
    with pytest.raises(BadRequest, match=r"instances\[0\] has no c"):
        model.predict(Request([{"a": 1, "b": 2}], {}))
    with pytest.raises(BadRequest, match="has 4 values; the model takes 3"):
        model.predict(Request([[1, 2, 3, 4]], {}))


@pytest.mark.parametrize("train", [xgboost_booster, lightgbm_booster])
@pytest.mark.parametrize("bad", [["x", 1, 2], [1, 2], [1, 2, 3, 4], 7, [[1], [2], [3]]])
def test_instances_that_a_booster_cant_take(tmp_path: Path, train: Callable[[], Any], bad: Any) -> None:
    """Text, too few or too many values, single and nested ones are the caller's fault, with the library's own words."""
    model = save(lambda path: joblib.dump(train(), path), tmp_path / "model.joblib")
    with pytest.raises(BadRequest, match=r"instances\[0\]: "):
        model.predict(Request([bad], {}))


def test_a_class_of_xgboosts_that_mlflow_noted(tmp_path: Path) -> None:
    """MLflow saves an XGBClassifier as a bare Booster beside a note of its class: it predicts labels, as in MLflow."""
    classifier = xgboost.XGBClassifier(n_estimators=5).fit(FEATURES, LABELS)
    (tmp_path / "MLmodel").write_text("flavors:\n  xgboost:\n    model_class: xgboost.sklearn.XGBClassifier\n")
    model = save(classifier.save_model, tmp_path / "model.ubj")
    assert model.predict(Request(ROWS, {})) == classifier.predict(ROWS).tolist()


@pytest.mark.parametrize("name", ["model.bst", "model.txt"])
def test_files_that_are_no_booster_are_told(tmp_path: Path, name: str) -> None:
    """The file's name and the library's words."""
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(BadModel, match=rf"{name} can't be loaded"):
        Model.load(tmp_path / name)
