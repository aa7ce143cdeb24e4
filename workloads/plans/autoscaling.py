"""How many replicas a deployed model gets: from its resources and its load, pure. For the API and the controllers.

The rule is that of Kubernetes' HorizontalPodAutoscaler: replicas grow with the load's share of its target, nothing
happens within a tolerance, up goes at once, and down no further than anything in the last minutes asked for.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from workloads.plans.errors import InvalidWish

Json = Mapping[str, Any]
PREFIX: Final = "aiplatform.googleapis.com/prediction/online"
CPU: Final = f"{PREFIX}/cpu/utilization"  # percent of the replicas' cores
REQUESTS: Final = f"{PREFIX}/request_count"  # a minute, of each replica
DUTY_CYCLE: Final = f"{PREFIX}/accelerator/duty_cycle"
DEFAULT_TARGET: Final = 60.0
PERCENT: Final = 100
TOLERANCE: Final = 0.1
FACTOR, STEP = 2, 4  # one decision goes at most to the double, or four up
IDLE_S: Final = 300.0  # Vertex' shortest, where the message says nothing
LONGEST_S: Final = 28800.0  # Vertex' longest


@dataclass(frozen=True)
class Rule:
    """A deployed model's bounds and targets.

    Attributes:
        low, high: replicas; low 0 means that none run while nobody asks.
        initial: replicas at first, and when the first request comes to none.
        targets: metric → target, in the metric's unit.
        idle_s: without a request for so long, none run.
        up_s: for so long after they came, replicas stay.
    """

    low: int
    high: int
    initial: int
    targets: Mapping[str, float]
    idle_s: float = IDLE_S
    up_s: float = IDLE_S

    @property
    def is_fixed(self) -> bool:
        """Whether there is nothing to decide."""
        return self.low == self.high

    @property
    def sleeps(self) -> bool:
        """Whether no replica runs while nobody asks."""
        return self.low == 0

    def clamp(self, replicas: int) -> int:
        """The nearest number within the bounds."""
        return min(max(replicas, self.low), self.high)

    def to_json(self) -> dict[str, Any]:
        """As a row's status keeps it."""
        return asdict(self)


@dataclass(frozen=True)
class Load:
    """What a deployed model had to do since the last look.

    Attributes:
        found: metric → figure over all replicas, in its target's unit of one replica (percent, requests a minute).
        in_flight: requests that are being answered or wait now.
        idle_s: since the last request, or since nobody could have told of one.
        up_s: since the number of replicas has last changed.
    """

    found: Mapping[str, float]
    in_flight: int
    idle_s: float
    up_s: float


def rule(deployed: Json) -> Rule:
    """The rule in a DeployedModel message.

    Raises:
        InvalidWish: a metric twice, an unknown one, or a target out of its bounds.
    """
    resources = deployed.get("dedicatedResources") or deployed.get("automaticResources") or {}
    initial = int(resources.get("initialReplicaCount") or 0)
    low = int(resources.get("minReplicaCount") or 0) or (0 if initial else 1)
    zero = resources.get("scaleToZeroSpec") or {}
    return Rule(
        low=low,
        high=int(resources.get("maxReplicaCount") or 0) or max(low, initial),
        initial=initial or low,
        targets=_targets(resources.get("autoscalingMetricSpecs") or ()),
        idle_s=_seconds(zero.get("idleScaledownPeriod")),
        up_s=_seconds(zero.get("minScaleupPeriod")),
    )


def _seconds(duration: object) -> float:
    return float(str(duration).removesuffix("s")) if duration else IDLE_S


def _targets(specs: Sequence[Json]) -> dict[str, float]:
    targets: dict[str, float] = {}
    for number, spec in enumerate(specs):
        name, where = str(spec.get("metricName", "")), f"autoscalingMetricSpecs[{number}]"
        if name not in (CPU, REQUESTS):
            why = "no accelerator's use is measured here" if name == DUTY_CYCLE else "there is no such metric here"
            raise InvalidWish(f"{where}.metricName is {name[:120]!r}: {why}; give {CPU} or {REQUESTS}")
        if name in targets:
            raise InvalidWish(f"{where}.metricName is {name} once more: give at most one entry per metric")
        target = int(spec.get("target") or 0)
        if name == REQUESTS and target < 1:
            raise InvalidWish(f"{where}.target is {target}: give the requests a minute that one replica is to take")
        if name == CPU and not 0 <= target <= PERCENT:
            raise InvalidWish(f"{where}.target is {target}: give a percentage from 1 to {PERCENT}")
        targets[name] = float(target or DEFAULT_TARGET)
    return targets or {CPU: DEFAULT_TARGET}


def check(resources: Json, shortest_idle_s: float = IDLE_S) -> None:
    """Refuse dedicated resources that Vertex would refuse.

    Raises:
        InvalidWish: the counts or the periods of scaling to zero don't fit together.
    """
    low, high = int(resources.get("minReplicaCount") or 0), int(resources.get("maxReplicaCount") or 0)
    initial, zero = int(resources.get("initialReplicaCount") or 0), resources.get("scaleToZeroSpec")
    where = "dedicatedResources"
    if low < 0 or (low == 0 and not initial):
        text = "give at least 1, or 0 with initialReplicaCount (v1beta1) for a model that scales to zero"
        raise InvalidWish(f"{where}.minReplicaCount is {low}: {text}")
    if low and (initial or zero):
        text = f"initialReplicaCount and scaleToZeroSpec must not be set when minReplicaCount is {low}: they are for 0"
        raise InvalidWish(f"{where}: {text}")
    if high and high < max(low, initial):
        name = "minReplicaCount" if low else "initialReplicaCount"
        raise InvalidWish(f"{where}.maxReplicaCount is {high}, less than {name} ({max(low, initial)})")
    if initial < 0 or high < 0:
        raise InvalidWish(f"{where}: replica counts can't be negative")
    for field, given in (zero or {}).items():
        if not shortest_idle_s <= _seconds(given) <= LONGEST_S:
            bounds = f"from {shortest_idle_s:g} s to {LONGEST_S:g} s (8 hours)"
            raise InvalidWish(f"{where}.scaleToZeroSpec.{field} is {given}: give a duration {bounds}")


def wanted(rule: Rule, replicas: int, load: Load) -> int:
    """How many replicas the load of this moment asks for."""
    if replicas == 0:
        return rule.initial if load.in_flight else 0
    if rule.sleeps and not load.in_flight and load.idle_s >= rule.idle_s and load.up_s >= rule.up_s:
        return 0
    shares = [load.found[name] / target for name, target in rule.targets.items() if name in load.found]
    share = max(shares, default=1.0)
    if abs(share - 1) <= TOLERANCE:
        return min(max(replicas, rule.low, 1), rule.high)
    grown = min(math.ceil(replicas * share - 1e-9), max(FACTOR * replicas, replicas + STEP))
    return min(max(grown, rule.low, 1), rule.high)


class Window:
    """What was wanted lately: replicas go down only to the most of it, and not before the window is full.

    Args:
        now: seconds, when it begins: after a restart of the controllers nothing goes down for a whole window.
        replicas: how many there are then.
    """

    def __init__(self, window_s: float, now: float, replicas: int) -> None:
        self._window_s = window_s
        self._wishes = [(now, replicas)]

    def settle(self, now: float, replicas: int, wish: int) -> int:
        """How many there are to be: up and to none at once, down by the window."""
        self._wishes = [(time, number) for time, number in self._wishes if now - time < self._window_s]
        self._wishes.append((now, wish))
        if wish >= replicas or wish == 0:
            return wish
        return min(replicas, max(number for _, number in self._wishes))
