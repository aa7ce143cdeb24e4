"""Instances on which plain and converted model are compared: the user's own, random ones, and pairs across a border."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from workloads.prediction.optimised.session import Column

FILES: Final = ("sample_instances.json", "input_example.json")  # ours: a list of instances; MLflow's
_ROWS, _BORDERS, _STEPS, _MOST = 256, 64, 44, 1000
Score = Callable[[list[list[Any]]], Any]  # rows to the numbers that the prediction follows from


def given(folder: Path, columns: tuple[Column, ...]) -> list[list[Any]]:
    """The instances beside the model, as arrays in the columns' order; of another form than documented: none."""
    for name in FILES:
        if (folder / name).is_file():
            raw = json.loads((folder / name).read_text())
            rows: list[Any] = raw.get("data", []) if isinstance(raw, dict) else raw
            return [row for row in map(_ordered(columns), rows[:_MOST]) if row is not None]
    return []


def _ordered(columns: tuple[Column, ...]) -> Callable[[Any], list[Any] | None]:
    names = [column.name for column in columns]

    def row(instance: Any) -> list[Any] | None:
        if isinstance(instance, dict):
            return [instance.get(name) for name in names]
        return instance if isinstance(instance, list) and len(instance) == len(names) else None

    return row


def made(columns: tuple[Column, ...], points: dict[int, list[float]]) -> list[list[Any]]:
    """Random rows: known texts; numbers around the fitted model's own ones (thresholds, means), or of any magnitude."""
    random = np.random.default_rng(0)
    drawn = [
        random.choice(np.array(column.texts, dtype=object), _ROWS).tolist()
        if column.texts
        else _numbers(random, np.asarray(points.get(place, []), dtype=float)).tolist()
        for place, column in enumerate(columns)
    ]
    return [list(row) for row in zip(*drawn, strict=True)]


def _numbers(random: np.random.Generator, points: Any) -> Any:
    points = points[np.isfinite(points)]
    if not len(points):
        return np.sign(random.normal(size=_ROWS)) * 10 ** random.uniform(-2, 3, _ROWS)
    spread = points.std() or abs(points[0]) or 1.0
    chosen = random.choice(points, _ROWS)
    kinds = [chosen, chosen + spread * random.normal(size=_ROWS), np.nextafter(chosen, np.inf)]
    return np.choose(random.integers(0, len(kinds), _ROWS), kinds)


def borders(rows: list[list[Any]], columns: tuple[Column, ...], score: Score) -> list[list[Any]]:
    """Pairs of rows a trillionth apart in one number and yet, where the model has thresholds, with another score."""
    places = [place for place, column in enumerate(columns) if column.texts is None]
    if not places:
        return []
    random = np.random.default_rng(1)
    low = [list(rows[each]) for each in random.integers(0, len(rows), _BORDERS)]
    place = random.choice(places, _BORDERS)
    high = [
        _with(row, at, rows[other][at])
        for row, at, other in zip(low, place, random.integers(0, len(rows), _BORDERS), strict=True)
    ]
    begin = np.asarray(score(low)).reshape(_BORDERS, -1)
    for _ in range(_STEPS):
        middle = [_with(a, at, a[at] / 2 + b[at] / 2) for a, b, at in zip(low, high, place, strict=True)]
        same = np.isclose(np.asarray(score(middle)).reshape(_BORDERS, -1), begin, rtol=0, atol=1e-12).all(axis=1)
        low = [mid if keep else row for mid, row, keep in zip(middle, low, same, strict=True)]
        high = [row if keep else mid for mid, row, keep in zip(middle, high, same, strict=True)]
    return [*low, *high]


def _with(row: list[Any], place: int, value: Any) -> list[Any]:
    return [*row[:place], value, *row[place + 1 :]]


def distinct(rows: list[list[Any]]) -> Iterator[list[Any]]:
    """Each once."""
    return iter({json.dumps(row): row for row in rows}.values())
