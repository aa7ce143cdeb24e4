"""The exact traffic split."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.gateway.routes import DeployedModel
from workloads.gateway.splits import SLOTS, slots


def models(*weights: int) -> tuple[DeployedModel, ...]:
    """Deployed models with these weights, named by their number."""
    return tuple(DeployedModel(str(n), weight, "m", "1", "", "/", ()) for n, weight in enumerate(weights))


@given(st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_each_model_gets_exactly_its_weight(cuts: list[int]) -> None:
    """For any weights that sum up to 100, of a hundred slots each model has as many as its weight."""
    edges = [0, *sorted(cuts), 100]
    weights = [high - low for low, high in pairwise(edges)]
    counted = Counter(slots(models(*weights)))
    assert len(slots(models(*weights))) == SLOTS
    assert [counted[str(n)] for n in range(len(weights))] == weights


@pytest.mark.parametrize("weight", [10, 20, 50])
def test_models_take_turns(weight: int) -> None:
    """A canary's requests come evenly spread, not in one block."""
    order = slots(models(100 - weight, weight))
    places = [place for place, model in enumerate(order) if model == "1"]
    gaps = {later - earlier for earlier, later in pairwise(places)}
    assert gaps == {100 // weight}
