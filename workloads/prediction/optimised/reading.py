"""What a fitted model takes: its columns with the texts that it knows, and the numbers at which it changes its mind."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import Pipeline

from workloads.prediction.boosters import XgboostBooster
from workloads.prediction.optimised.session import Column

_BRANCH: Final = re.compile(r"\[([^<\]]+)<([^\]]+)\]")  # of XGBoost's text dump: 0:[f2<0.5] yes=1,no=2
_SCALES: Final = ("mean_", "center_", "data_min_", "data_max_")


def inner(model: Any) -> Any:
    """Without the shells that only freeze a model or decide by its probabilities."""
    if isinstance(model, FixedThresholdClassifier):
        return inner(model.estimator_)
    return inner(model.estimator) if isinstance(model, FrozenEstimator) else model


def threshold(model: Any) -> float | None:
    """Of a FixedThresholdClassifier.

    Raises:
        ValueError: of one that decides by something else than the second class's probability.
    """
    if not isinstance(model, FixedThresholdClassifier):
        return None
    if model.response_method == "decision_function" or model.pos_label is not None or model.threshold == "auto":
        raise ValueError("its threshold is not one of the second class's probability")
    return float(model.threshold)


def columns(model: Any) -> tuple[Column, ...]:
    """One for each feature.

    Raises:
        ValueError: the model does not tell how many features it takes.
    """
    count = getattr(model, "n_features_in_", None)
    if count is None:
        raise ValueError("it does not tell how many features it takes")
    names = getattr(model, "feature_names_in_", None)
    texts = dict(_texts(model))
    names = [f"c{place}" for place in range(count)] if names is None else [str(name) for name in names]
    return tuple(Column(name, texts.get(place)) for place, name in enumerate(names))


def _booster(model: Any) -> Any:
    """The xgboost.Booster of XGBoost's models."""
    if isinstance(model, XgboostBooster):
        return model.booster
    return model.get_booster() if hasattr(model, "get_booster") else None


def is_split(model: Any) -> bool:
    """Whether the columns go different ways."""
    return isinstance(_first(model), ColumnTransformer)


def _first(model: Any) -> Any:
    return model.steps[0][1] if isinstance(model, Pipeline) else model


def _parts(transformer: ColumnTransformer) -> Iterator[tuple[str, Any, list[int]]]:
    """Name, fitted transformer and the places of its columns."""
    names = [str(name) for name in getattr(transformer, "feature_names_in_", ())]
    for name, part, selected in transformer.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        chosen = np.arange(transformer.n_features_in_)[selected] if isinstance(selected, slice) else np.ravel(selected)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        yield name, part, [names.index(str(each)) if isinstance(each, str) else int(each) for each in chosen]


def _texts(model: Any) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The places of the texts and what encoders know of them."""
    first = _first(model)
    parts = _parts(first) if isinstance(first, ColumnTransformer) else [("", first, [])]
    for _, part, places in parts:
        steps = [step for _, step in part.steps] if isinstance(part, Pipeline) else [part]
        known: list[Any] = next((step.categories_ for step in steps if hasattr(step, "categories_")), [])
        for place, values in zip(places or range(len(known)), known, strict=False):
            if all(isinstance(value, str) for value in values):
                yield place, tuple(values)


def points(model: Any) -> dict[int, list[float]]:
    """By the features' places; only where they are plain to see: elsewhere the search for borders has to do."""
    first, last = _first(model), model.steps[-1][1] if isinstance(model, Pipeline) else model
    found: dict[int, list[float]] = {}
    if first is last:
        for feature, value in _thresholds(last):
            found.setdefault(feature, []).append(value)
    for _, part, places in _parts(first) if isinstance(first, ColumnTransformer) else [("", first, [])]:
        for number, values in _scaled(part).items():
            found.setdefault(places[number] if places else number, []).extend(values)
    return found


def _scaled(part: Any) -> dict[int, list[float]]:
    """By column: the values that a scaler makes -1, 0 and 1, or its like."""
    found: dict[int, list[float]] = {}
    for name in _SCALES:
        centers = getattr(part, name, None)
        scales = getattr(part, "scale_", None)
        for number, center in enumerate([] if centers is None else np.ravel(centers).tolist()):
            step = 1.0 if scales is None else float(np.ravel(scales)[number])
            found.setdefault(number, []).extend(center + step * each for each in (-1, 0, 1))
    return found


def _thresholds(model: Any) -> Iterator[tuple[int, float]]:
    """Feature and threshold of each branch of trees."""
    if booster := _booster(model):
        names = booster.feature_names or [f"f{place}" for place in range(booster.num_features())]
        for name, value in _BRANCH.findall("".join(booster.get_dump())):
            yield names.index(name), float(value)
    for tree in np.ravel(getattr(model, "estimators_", [model])):
        if hasattr(tree, "tree_"):
            inside = tree.tree_.feature >= 0
            yield from zip(tree.tree_.feature[inside].tolist(), tree.tree_.threshold[inside].tolist(), strict=True)
    for iteration in getattr(model, "_predictors", []):
        for predictor in iteration:
            nodes = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            yield from zip(nodes["feature_idx"].tolist(), nodes["num_threshold"].tolist(), strict=True)


def objective(model: XgboostBooster) -> str:
    """As XGBoost's own config names it."""
    return str(json.loads(model.booster.save_config())["learner"]["objective"]["name"])
