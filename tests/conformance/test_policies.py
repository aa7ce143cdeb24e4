"""Policies: a stack that wants too much is refused by the real CLI, with what it takes, what is allowed, a remedy."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.backends.base import MACHINE_TYPES
from tests.support.stack import POLICIES, Stack

GPU = {"NVIDIA_TESLA_T4": {"count": 8, "pricePerHour": 0.01}}
DEAR = {"n1-standard-2": {**MACHINE_TYPES["n1-standard-2"], "pricePerHour": 9}}
HUNGRY = {"api": {"cpu": 1, "memory": "70Gi"}}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"machineTypes": DEAR}, r"takes up to 36\S* of pricePerHour, its budget is 1; lower cairn:capacity"),
        ({"accelerators": GPU}, r"takes up to 8 of gpus, its budget is 4"),
        ({"resources": HUNGRY}, r"of memoryGib, its budget is 64"),
    ],
    ids=["price", "gpus", "memory"],
)
def test_budgets(stack: Stack, tmp_path: Path, settings: dict[str, Any], says: str) -> None:
    """A price, GPUs or memory above the budget are refused before anything is made."""
    with pytest.raises(AssertionError, match=says):
        stack.pulumi("preview", *POLICIES, config=stack.config_with(tmp_path, **settings))
