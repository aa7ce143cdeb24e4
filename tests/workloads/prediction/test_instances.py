"""Predict requests: what is taken, what is refused and how, and what comes back."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workloads.prediction.instances import BadRequest, parse, to_input, to_json


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], '"instances"'),
        ({}, '"instances"'),
        ({"instances": {}}, "at least one instance"),
        ({"instances": []}, "at least one instance"),
        ({"instances": [[1]], "parameters": 3}, '"parameters"'),
        ({"instances": [[1], {"a": 1}]}, r"instances\[1\] is an object while instances\[0\] is an array"),
        ({"instances": [[1], 2]}, r"instances\[1\] is a single value"),
        ({"instances": [[1, 2], [1]]}, r"instances\[1\] has 1 values"),
    ],
)
def test_bad_bodies_are_refused_with_their_place(body: Any, told: str) -> None:
    """Each fault names the instance."""
    with pytest.raises(BadRequest, match=told):
        parse(body)


def test_records_come_in_the_models_order() -> None:
    """Keys in any order, more keys than needed; a missing one is named."""
    rows = [{"b": "x", "a": 1, "more": 0}]
    pd.testing.assert_frame_equal(to_input(rows, ["a", "b"]), pd.DataFrame({"a": [1], "b": ["x"]}))
    with pytest.raises(BadRequest, match=r"instances\[1\] has no b; the model takes a, b"):
        to_input([*rows, {"a": 1}], ["a", "b"])


def test_arrays_take_the_models_names_if_it_has_some() -> None:
    """A pipeline fitted on a DataFrame gets one again; a wrong number of values is told with the names."""
    pd.testing.assert_frame_equal(to_input([[1, "x"]], ["a", "b"]), pd.DataFrame({"a": [1], "b": ["x"]}))
    with pytest.raises(BadRequest, match="has 1 values; the model takes 2: a, b"):
        to_input([[1]], ["a", "b"])
    assert np.array_equal(to_input([[1, 2]], None), np.array([[1, 2]]))
    assert np.array_equal(to_input([{"a": 1, "b": 2}], None), np.array([[1, 2]]))


def test_predictions_become_plain_json() -> None:
    """Numpy's types become Python's; NaN and infinities become null."""
    assert to_json(np.array([1, 2])) == [1, 2]
    assert to_json(np.array([[1.5, np.nan], [np.inf, 2.0]])) == [[1.5, None], [None, 2.0]]
    assert to_json([np.int64(3), "x"]) == [3, "x"]
