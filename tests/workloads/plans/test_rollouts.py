"""Canaries: when a step is over, when a new version is taken back, and how the others share what is left."""

from typing import Any

import pytest

from workloads.plans import measures, rollouts
from workloads.plans.measures import Measured
from workloads.plans.rollouts import PROMOTED, ROLLED_BACK, RUNNING, Rollout, judge

BOUNDS = (1, 10, 100)
ROLLOUT = Rollout(steps=(10, 100), step_s=60, min_requests=100, max_error_rate=0.02)
BESIDE = {"max_error_rate_over_live": 0.01}


def seen(requests: int, errors: int = 0, slow: int = 0) -> Measured:
    """So many requests, of which some took up to 100 ms and the others up to 10."""
    return Measured(requests, errors, (0, requests - slow, slow, 0), BOUNDS)


@pytest.mark.parametrize(
    ("changes", "step", "elapsed", "new", "live", "state", "reason"),
    [
        ({}, 0, 59, seen(1000), seen(9000), "", ""),
        ({}, 0, 600, seen(99), seen(900), "", ""),
        ({}, 0, 60, seen(100), seen(900), RUNNING, "100 requests, 0.00% errors, p95 10 ms"),
        ({}, 1, 60, seen(100), seen(0), PROMOTED, "100 requests"),
        ({}, 0, 1, seen(2), seen(9000), "", ""),
        ({}, 0, 1, seen(3, errors=3), seen(9000), ROLLED_BACK, "at 10 % of the traffic 3 of 3 requests failed"),
        ({}, 0, 1, seen(30, errors=2), seen(9000), "", ""),
        ({}, 0, 60, seen(1000, errors=20), seen(9000), RUNNING, "2.00% errors"),
        ({}, 0, 60, seen(1000, errors=21), seen(9000), ROLLED_BACK, "2.00% of at least 100 are allowed"),
        ({"max_latency_ms": 50}, 0, 1, seen(100, slow=6), seen(900), ROLLED_BACK, "was 100 ms; 50 ms are allowed"),
        ({"max_latency_ms": 50}, 0, 60, seen(100, slow=5), seen(900), RUNNING, "p95 10 ms"),
        ({"max_latency_ms": 50}, 0, 60, seen(99, slow=99), seen(900), "", ""),
        ({"max_latency_ratio": 2}, 0, 1, seen(100, slow=6), seen(900), ROLLED_BACK, "2 times the live version's 10 ms"),
        ({"max_latency_ratio": 2}, 0, 60, seen(100, slow=6), seen(900, slow=90), RUNNING, ""),
        ({"max_latency_ratio": 2}, 0, 60, seen(100, slow=6), seen(99), RUNNING, ""),
        (BESIDE, 0, 1, seen(1000, errors=16), seen(9000, errors=45), ROLLED_BACK, "1.60% of its requests failed"),
        (BESIDE, 0, 1, seen(1000, errors=16), seen(9000, errors=45), ROLLED_BACK, "0.50% of the live version's; 1.00%"),
        (BESIDE, 0, 60, seen(1000, errors=15), seen(9000, errors=45), RUNNING, "1.50% errors"),
        (BESIDE, 0, 60, seen(1000, errors=16), seen(99), RUNNING, "1.60% errors"),
        (BESIDE, 0, 1, seen(99, errors=2), seen(9000), "", ""),
    ],
)
def test_what_is_next(
    changes: dict[str, Any], step: int, elapsed: float, new: Measured, live: Measured, state: str, reason: str
) -> None:
    """Errors end it at once, latency after enough requests; a step ends after both its time and its requests."""
    verdict = judge(Rollout.from_json({**ROLLOUT.to_json(), **changes}), step, elapsed, new, live)
    assert verdict.state == state, verdict
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("live", "percent", "wanted"),
    [
        ({"1": 100, "2": 0}, 0, {"1": 100, "2": 0}),
        ({"1": 100, "2": 0}, 5, {"1": 95, "2": 5}),
        ({"1": 33, "3": 67, "2": 0}, 50, {"1": 17, "3": 33, "2": 50}),
        ({"1": 50, "3": 50, "2": 0}, 25, {"1": 38, "3": 37, "2": 25}),
        ({"1": 50, "3": 50, "2": 0}, 100, {"1": 0, "3": 0, "2": 100}),
    ],
)
def test_the_others_share_what_is_left(live: dict[str, int], percent: int, wanted: dict[str, int]) -> None:
    """In whole percents that always sum up to 100."""
    assert rollouts.split(live, "2", percent) == wanted
    assert all(sum(rollouts.split(live, "2", each).values()) == 100 for each in range(101))


def report(since: float, requests: int) -> dict[str, Any]:
    """The gateway's answer on one model, and on another endpoint's."""
    latency = [0, requests, 0, 0]
    model = {"endpoint": "e", "id": "1", "requests": requests, "errors": 1, "latency": latency}
    return {"since": since, "boundsMs": [*BOUNDS], "models": [model, {**model, "endpoint": "other"}]}


def test_counts_between_two_readings() -> None:
    """The difference; after the gateway began anew, all that it has; and for a model that is new, all of it."""
    before = measures.kept(report(5.0, 10), "e")
    assert [each["endpoint"] for each in before["models"]] == ["e"]
    assert measures.between(before, report(5.0, 30), "e") == {"1": Measured(20, 0, [0, 20, 0, 0], [*BOUNDS])}
    assert measures.between(before, report(6.0, 4), "e")["1"].requests == 4
    assert measures.between({}, report(5.0, 4), "e")["1"].requests == 4
    assert measures.between({**before, "models": []}, report(5.0, 7), "e")["1"].requests == 7


def test_quantiles_and_sums() -> None:
    """A quantile is its part's upper bound, beyond the last one infinite; nothing is 0, and adds nothing."""
    some = Measured(10, 1, (0, 9, 0, 1), BOUNDS)
    assert (some.latency_ms(0.5), some.latency_ms(0.95), Measured().latency_ms(0.95)) == (10, float("inf"), 0)
    assert (some.error_rate, Measured().error_rate) == (0.1, 0)
    assert some.plus(Measured()) == Measured().plus(some) == some
    assert some.plus(some) == Measured(20, 2, [0, 18, 0, 2], BOUNDS)
