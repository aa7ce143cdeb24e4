"""Loads a model's file, by its name. A pickle runs code of its own: only inside the model's container."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import joblib

from workloads.prediction import boosters

# What Vertex's prebuilt containers take, and what MLflow saves (model.ubj, .xgb, .json and .lgb).
_XGBOOST: Final = ("model.bst", "model.ubj", "model.xgb", "model.json")
_LIGHTGBM: Final = ("model.txt", "model.lgb")
NAMES: Final = ("model.joblib", "model.pkl", *_XGBOOST, *_LIGHTGBM)
_CLASS: Final = re.compile(r"^ +model_class: xgboost\.sklearn\.(XGB\w+)$", re.MULTILINE)


def load(path: Path) -> Any:
    """The estimator, pipeline or (wrapped) Booster in a file of one of NAMES.

    Raises:
        Exception: whatever the library or the pickled code raises.
    """
    loaders: dict[tuple[str, ...], Callable[[Path], Any]] = {_XGBOOST: _xgboost, _LIGHTGBM: _lightgbm}
    loader = next((loader for names, loader in loaders.items() if path.name in names), _pickled)
    return boosters.wrapped(loader(path))


def _pickled(path: Path) -> Any:
    if path.suffix == ".joblib":
        return joblib.load(path)
    try:
        with path.open("rb") as file:
            return pickle.load(file)  # noqa: S301  the model's own container is the place to run it
    except (pickle.UnpicklingError, ValueError, EOFError):
        return joblib.load(path)  # a joblib file under the other name


def _xgboost(path: Path) -> Any:
    """A Booster, as on Vertex, unless MLflow's notes beside the file name a class like XGBClassifier."""
    import xgboost

    notes = path.with_name("MLmodel")
    named = _CLASS.search(notes.read_text()) if notes.is_file() else None
    model = getattr(xgboost, named[1])() if named else xgboost.Booster()
    model.load_model(
        bytearray(path.read_bytes())
    )  # of bytes it finds the format itself; of a name like .bst it guesses
    return model


def _lightgbm(path: Path) -> Any:
    import lightgbm

    return lightgbm.Booster(model_file=path)
