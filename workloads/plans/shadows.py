"""Shadows: deployed models that get a copy of a share of their endpoint's predictions. Pure.

Vertex's messages have no field for one, but an endpoint's labels are its users' own: `cairn-shadow-<deployed model id>`
says how many percent. So every client can set it, and sees it, and a declared shadow (infra/endpoint_settings.py) is
shown the same way.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from workloads.plans.errors import InvalidWish

LABEL: Final = "cairn-shadow-"
ALL: Final = 100  # percent
Json = Mapping[str, Any]


def shares(message: Json) -> dict[str, int]:
    """Percent by deployed model's id, as an Endpoint message's labels say; only of models without traffic."""
    labels, split = message.get("labels") or {}, message.get("trafficSplit") or {}
    wished = {key.removeprefix(LABEL): _percent(value) for key, value in labels.items() if key.startswith(LABEL)}
    return {model_id: percent for model_id, percent in wished.items() if percent and not int(split.get(model_id, 0))}


def _percent(text: str) -> int:
    """0 for what is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(ALL)) else 0
    return number if number <= ALL else 0


def labels(shares: Mapping[str, int]) -> dict[str, str]:
    """The labels that say so."""
    return {f"{LABEL}{model_id}": str(percent) for model_id, percent in shares.items() if percent}


def without(labels: Mapping[str, str], gone: Collection[str]) -> dict[str, str]:
    """The labels but for those of these deployed models."""
    return {key: value for key, value in labels.items() if key not in {f"{LABEL}{each}" for each in gone}}


def check(labels: Mapping[str, str], split: Mapping[str, Any], models: Collection[str]) -> None:
    """Refuse labels that could not be done.

    Args:
        models: ids of the endpoint's deployed models.

    Raises:
        InvalidWish: such a label names no deployed model, or one that has traffic, or says no percentage.
    """
    for key, value in labels.items():
        model_id = key.removeprefix(LABEL)
        if model_id == key:
            continue
        if model_id not in models:
            known = ", ".join(sorted(models)) or "none"
            raise InvalidWish(f"The label {key} names no deployed model; deployed are: {known}. Deploy it first.")
        if not _percent(value) and value != "0":
            raise InvalidWish(f"The label {key} is {value!r}; give the percentage of requests, 0 to {ALL}.")
        if (share := int(split.get(model_id, 0))) and value != "0":
            raise InvalidWish(
                f"Deployed model {model_id} has {share}% of the traffic, so it can't be a shadow too: give its traffic "
                f"to others, or remove the label {key}."
            )
