"""How many replicas a load asks for, and which resources are refused."""

from typing import Any

import pytest

from workloads.plans import autoscaling
from workloads.plans.autoscaling import CPU, REQUESTS, Load, Rule, Window
from workloads.plans.errors import InvalidWish

UP_TO_TEN = Rule(1, 10, 1, {CPU: 60.0})
SLEEPS = Rule(0, 4, 2, {CPU: 60.0}, idle_s=300, up_s=300)


def load(cpu: float | None = None, requests: float | None = None, in_flight: int = 0, **seconds: float) -> Load:
    """A moment's load."""
    told = {CPU: cpu, REQUESTS: requests}
    found = {name: figure for name, figure in told.items() if figure is not None}
    return Load(found, in_flight, seconds.get("idle_s", 0), seconds.get("up_s", 1000))


@pytest.mark.parametrize(
    ("rule", "replicas", "moment", "wanted"),
    [
        (UP_TO_TEN, 2, load(60), 2),
        (UP_TO_TEN, 2, load(65.9), 2),  # within the tolerance
        (UP_TO_TEN, 2, load(54.1), 2),
        (UP_TO_TEN, 2, load(67), 3),
        (UP_TO_TEN, 4, load(30), 2),
        (UP_TO_TEN, 4, load(0), 1),
        (UP_TO_TEN, 1, load(600), 5),  # four up at most where that is more than the double
        (UP_TO_TEN, 6, load(600), 10),  # the bound
        (UP_TO_TEN, 3, load(), 3),  # nothing is known
        (Rule(2, 5, 2, {CPU: 60.0}), 1, load(), 2),  # below its bounds, as after a change of them
        (Rule(1, 10, 1, {CPU: 60.0, REQUESTS: 100.0}), 2, load(30, 300), 6),  # the one that asks for most
        (Rule(1, 10, 1, {REQUESTS: 100.0}), 4, load(90, 25), 1),  # its own metric only
        (SLEEPS, 2, load(0, idle_s=299), 1),
        (SLEEPS, 2, load(0, idle_s=300), 0),
        (SLEEPS, 2, load(0, idle_s=300, up_s=299), 1),  # not so soon after they came
        (SLEEPS, 1, load(0, in_flight=1, idle_s=900), 1),  # somebody waits for a long answer
        (SLEEPS, 0, load(idle_s=900), 0),
        (SLEEPS, 0, load(in_flight=1, idle_s=900), 2),
    ],
)
def test_what_a_load_asks_for(rule: Rule, replicas: int, moment: Load, wanted: int) -> None:
    """The decision table: targets, tolerance, steps, bounds, several metrics, to zero and back."""
    assert autoscaling.wanted(rule, replicas, moment) == wanted


def test_down_by_the_window_and_up_at_once() -> None:
    """Replicas go down to the most of the last minutes, not before a whole window, and to none without one."""
    window = Window(300, 0, 5)
    assert window.settle(10, 5, 2) == 5
    assert window.settle(100, 5, 4) == 5
    assert window.settle(299, 5, 1) == 5
    assert window.settle(301, 5, 1) == 4
    assert window.settle(320, 4, 7) == 7
    assert window.settle(330, 7, 3) == 7
    assert window.settle(621, 7, 3) == 3
    assert window.settle(622, 3, 0) == 0


def test_rules_of_messages() -> None:
    """Defaults: one replica, no more than the least, 60 percent of the cores, Vertex' shortest periods."""
    assert autoscaling.rule({}) == Rule(1, 1, 1, {CPU: 60.0})
    assert autoscaling.rule({}).is_fixed
    assert autoscaling.rule({"automaticResources": {"minReplicaCount": 2, "maxReplicaCount": 3}}).high == 3
    specs = [{"metricName": CPU, "target": 80}, {"metricName": REQUESTS, "target": 5}]
    zero = {"idleScaledownPeriod": "600s"}
    resources = {"initialReplicaCount": 2, "maxReplicaCount": 3, "scaleToZeroSpec": zero}
    rule = autoscaling.rule({"dedicatedResources": {**resources, "autoscalingMetricSpecs": specs}})
    assert rule == Rule(0, 3, 2, {CPU: 80.0, REQUESTS: 5.0}, idle_s=600, up_s=300)
    assert rule.sleeps
    assert Rule(**rule.to_json()) == rule
    assert [rule.clamp(number) for number in (-1, 2, 9)] == [0, 2, 3]


def specs(*given: dict[str, Any]) -> dict[str, Any]:
    """A deployed model with these metrics."""
    return {"dedicatedResources": {"minReplicaCount": 1, "autoscalingMetricSpecs": list(given)}}


@pytest.mark.parametrize(
    ("deployed", "says"),
    [
        (specs({"metricName": autoscaling.DUTY_CYCLE}), "no accelerator's use is measured"),
        (specs({"metricName": "x"}), "no such metric"),
        (specs({"metricName": CPU}, {"metricName": CPU}), "at most one entry per metric"),
        (specs({"metricName": CPU, "target": 101}), "1 to 100"),
        (specs({"metricName": REQUESTS}), "requests a minute"),
    ],
)
def test_refused_metrics(deployed: dict[str, Any], says: str) -> None:
    """A metric that is not measured, twice the same, and targets out of bounds are named with what to give."""
    with pytest.raises(InvalidWish, match=says):
        autoscaling.rule(deployed)


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ({}, r"minReplicaCount is 0: give at least 1, or 0 with initialReplicaCount"),
        ({"minReplicaCount": -1, "initialReplicaCount": 1}, "minReplicaCount is -1"),
        ({"minReplicaCount": 1, "initialReplicaCount": 1}, "must not be set"),
        ({"minReplicaCount": 1, "scaleToZeroSpec": {"idleScaledownPeriod": "300s"}}, "must not be set"),
        ({"minReplicaCount": 3, "maxReplicaCount": 2}, r"maxReplicaCount is 2, less than minReplicaCount \(3\)"),
        ({"initialReplicaCount": 3, "maxReplicaCount": 2}, "less than initialReplicaCount"),
        ({"initialReplicaCount": -1}, "negative"),
        ({"initialReplicaCount": 1, "scaleToZeroSpec": {"idleScaledownPeriod": "299s"}}, "from 300 s to 28800 s"),
        ({"initialReplicaCount": 1, "scaleToZeroSpec": {"minScaleupPeriod": "28801s"}}, "minScaleupPeriod is 28801s"),
    ],
)
def test_refused_resources(resources: dict[str, Any], says: str) -> None:
    """Counts that contradict each other, and periods beyond Vertex' bounds, are refused by name."""
    with pytest.raises(InvalidWish, match=says):
        autoscaling.check(resources)
    autoscaling.check({"minReplicaCount": 1, "maxReplicaCount": 2})
    autoscaling.check({"initialReplicaCount": 1, "scaleToZeroSpec": {"idleScaledownPeriod": "28800s"}})
