"""Shadows as an endpoint's labels say them."""

import pytest

from workloads.plans import shadows
from workloads.plans.errors import InvalidWish

LABELS = {"team": "blue", "cairn-shadow-2": "25", "cairn-shadow-3": "100"}


def test_labels_say_who_is_a_shadow() -> None:
    """Percent by id, never of a model with traffic; what is no percentage (set before this was read so) is none."""
    message = {"labels": LABELS, "trafficSplit": {"1": 60, "3": 40}}
    assert shadows.shares(message) == {"2": 25}
    assert shadows.shares({"labels": LABELS}) == {"2": 25, "3": 100}
    for text in ("", "0", "101", "x", "1_0", "-5", "²", "9999"):
        assert shadows.shares({"labels": {"cairn-shadow-2": text}}) == {}
    assert shadows.shares({}) == {}


def test_labels_of_shadows() -> None:
    """Written as they are read, and taken away without touching others."""
    assert shadows.labels({"2": 25, "3": 0}) == {"cairn-shadow-2": "25"}
    assert shadows.without(LABELS, ["2"]) == {"team": "blue", "cairn-shadow-3": "100"}


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"cairn-shadow-7": "5"}, "cairn-shadow-7 names no deployed model; deployed are: 1, 2"),
        ({"cairn-shadow-2": "5-5"}, "cairn-shadow-2 is '5-5'; give the percentage of requests, 0 to 100"),
        ({"cairn-shadow-2": "101"}, "percentage"),
        ({"cairn-shadow-1": "5"}, "Deployed model 1 has 100% of the traffic, so it can't be a shadow too"),
    ],
)
def test_labels_that_can_not_be(labels: dict[str, str], told: str) -> None:
    """Refused with the label and what to do; other labels are nobody's business."""
    shadows.check({"team": "x", "cairn-shadow-2": "5", "cairn-shadow-1": "0"}, {"1": 100}, {"1", "2"})
    with pytest.raises(InvalidWish, match=told):
        shadows.check(labels, {"1": 100}, {"1", "2"})
