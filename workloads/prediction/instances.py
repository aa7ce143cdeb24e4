"""A predict request's body → what the model takes, and back. Pure; every fault of the user's is a BadRequest."""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

_SHOWN: Final = 20  # feature names in an error


class BadRequest(Exception):
    """The request can't be answered; the text names the instance and the reason."""


@dataclass(frozen=True)
class Request:
    """Instances, all of one kind: rows (lists), records (dicts) or single values."""

    instances: list[Any]
    parameters: dict[str, Any]


def parse(body: object) -> Request:
    """The request in a JSON body.

    Raises:
        BadRequest: not of the form {"instances": […], "parameters": {…}}, or instances of mixed kinds.
    """
    if not isinstance(body, dict) or "instances" not in body:
        raise BadRequest(
            'the body must be a JSON object with "instances": {"instances": [[1.0, 2.0]], "parameters": {}}'
        )
    instances, parameters = body["instances"], body.get("parameters")
    if not isinstance(instances, list) or not instances:
        raise BadRequest('"instances" must be a list of at least one instance')
    if parameters is not None and not isinstance(parameters, dict):
        raise BadRequest('"parameters" must be a JSON object')
    kind = _kind(instances[0])
    for number, instance in enumerate(instances):
        if _kind(instance) != kind:
            raise BadRequest(
                f"instances[{number}] is {_kind(instance)} while instances[0] is {kind}: send one kind only"
            )
        if kind == "an array" and len(instance) != len(instances[0]):
            raise BadRequest(
                f"instances[{number}] has {len(instance)} values while instances[0] has {len(instances[0])}"
            )
    return Request(instances, parameters or {})


def _kind(instance: object) -> str:
    return "an array" if isinstance(instance, list) else "an object" if isinstance(instance, dict) else "a single value"


def to_input(instances: list[Any], columns: list[str] | None) -> Any:
    """The model's input: a DataFrame when the model was fitted with names, else an array.

    Args:
        columns: the feature names that the model was fitted with, if it was fitted with names.

    Raises:
        BadRequest: a feature is missing, or the number of values is not the number of features.
    """
    if isinstance(instances[0], dict):
        return _frame(instances, columns)
    if columns is not None and isinstance(instances[0], list):
        if len(instances[0]) != len(columns):
            raise BadRequest(
                f"instances[0] has {len(instances[0])} values; the model takes {len(columns)}: {_some(columns)}"
            )
        return pd.DataFrame(instances, columns=columns)
    try:
        return np.asarray(instances)
    except ValueError as error:
        raise BadRequest(f"instances can't be made an array: {error}") from error


def _frame(instances: list[dict[str, Any]], columns: list[str] | None) -> Any:
    """A DataFrame in the model's order; without names in the model just the values, in the first instance's order."""
    wanted = columns or list(instances[0])
    for number, instance in enumerate(instances):
        missing = [column for column in wanted if column not in instance]
        if missing:
            raise BadRequest(f"instances[{number}] has no {_some(missing)}; the model takes {_some(wanted)}")
    frame = pd.DataFrame.from_records(instances, columns=wanted)
    return frame if columns else frame.to_numpy()


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def to_json(predictions: Any) -> list[Any]:
    """Predictions as JSON values; NaN and infinities, which JSON has not, become null."""
    values: list[Any] = predictions.tolist() if hasattr(predictions, "tolist") else list(predictions)
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
