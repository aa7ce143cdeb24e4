"""Canary: how a new version comes to an endpoint's traffic step by step, and when it is taken back. Pure.

Declared with the stack (infra/endpoint_settings.py), carried out by controllers/rollouts.py.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from workloads.plans.measures import Measured

WAITING: Final = "WAITING"  # for healthy servers: no traffic yet
RUNNING: Final = "RUNNING"
PROMOTED: Final = "PROMOTED"  # all traffic
ROLLED_BACK: Final = "ROLLED_BACK"  # no traffic any more
ALL: Final = 100  # percent
QUANTILE: Final = 0.95
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Rollout:
    """The steps of a new version and what it must keep to in each.

    Attributes:
        steps: its traffic in percent, rising to 100. It is promoted once it has stood the last one.
        step_s: how long each step lasts at least.
        min_requests: how many requests it must have answered in a step before that ends; its latency is not judged
            before that either, its errors are as soon as so many requests could not make up for them.
        max_error_rate: share of answers with 500 and more, 0 to 1.
        max_error_rate_over_live: by how much that share may be above the other versions' at the same time; None for no
            bound.
        max_latency_ms: 95th percentile; 0 for no bound.
        max_latency_ratio: of that percentile to the other versions' at the same time; 0 for no bound.
    """

    steps: tuple[int, ...] = (5, 25, 50, 100)
    step_s: float = 300.0
    min_requests: int = 100
    max_error_rate: float = 0.01
    max_latency_ms: float = 0.0
    max_latency_ratio: float = 0.0
    max_error_rate_over_live: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As a deployed model keeps it; what came later is in it only where it is asked for, so labels stay."""
        fields = {**asdict(self), "steps": list(self.steps)}
        return {key: value for key, value in fields.items() if value is not None}

    @classmethod
    def from_json(cls, raw: Json) -> "Rollout":
        """The reverse of `to_json`."""
        return cls(**{**raw, "steps": tuple(raw["steps"])})


@dataclass(frozen=True)
class Verdict:
    """What is next: another state, or RUNNING with the next step, and why, for people; "" for nothing yet."""

    state: str
    reason: str


STAY: Final = Verdict("", "")


def judge(rollout: Rollout, step: int, elapsed_s: float, new: Measured, live: Measured) -> Verdict:
    """Whether the step goes on, is over, or fails.

    Args:
        new, live: what the new version and all others together have answered in this step.
    """
    if fault := _fault(rollout, new, live):
        return Verdict(ROLLED_BACK, f"at {rollout.steps[step]} % of the traffic {fault}")
    if new.requests < rollout.min_requests or elapsed_s < rollout.step_s:
        return STAY
    good = f"{new.requests} requests, {new.error_rate:.2%} errors, p95 {new.latency_ms(QUANTILE):g} ms"
    return Verdict(PROMOTED if step == len(rollout.steps) - 1 else RUNNING, good)


def _fault(rollout: Rollout, new: Measured, live: Measured) -> str:
    """What is wrong with the new version; "" for nothing, as far as can be known."""
    if new.errors > rollout.max_error_rate * max(new.requests, rollout.min_requests):
        allowed = f"{rollout.max_error_rate:.2%} of at least {rollout.min_requests} are allowed"
        return f"{new.errors} of {new.requests} requests failed; {allowed}"
    if new.requests < rollout.min_requests:
        return ""
    is_comparable = live.requests >= rollout.min_requests
    excess = rollout.max_error_rate_over_live
    if is_comparable and excess is not None and new.error_rate > live.error_rate + excess:
        both = f"{new.error_rate:.2%} of its requests failed, and {live.error_rate:.2%} of the live version's"
        return f"{both}; {excess:.2%} more are allowed"
    latency, other = new.latency_ms(QUANTILE), live.latency_ms(QUANTILE)
    if rollout.max_latency_ms and latency > rollout.max_latency_ms:
        return f"the 95th percentile of its latency was {latency:g} ms; {rollout.max_latency_ms:g} ms are allowed"
    if is_comparable and rollout.max_latency_ratio and latency > rollout.max_latency_ratio * other:
        allowed = f"{rollout.max_latency_ratio:g} times the live version's {other:g} ms are allowed"
        return f"the 95th percentile of its latency was {latency:g} ms; {allowed}"
    return ""


def share(state: Json) -> int:
    """The new version's traffic in percent, by the noted state: {"state", "step", "rollout"}."""
    if state["state"] == RUNNING:
        return int(state["rollout"]["steps"][state["step"]])
    return ALL if state["state"] == PROMOTED else 0


def split(live: Mapping[str, int], new: str, percent: int) -> dict[str, int]:
    """The traffic split with so much for the new version, and the rest shared as the others share it by themselves.

    Whole percents that sum up to 100; the others' remainders go where they are largest.
    """
    rest = ALL - percent
    others = {model_id: weight for model_id, weight in live.items() if model_id != new}
    shares = {model_id: weight * rest // ALL for model_id, weight in others.items()}
    left = rest - sum(shares.values())
    by_remainder = sorted(others, key=lambda model_id: -(others[model_id] * rest % ALL))
    for model_id in by_remainder[:left]:
        shares[model_id] += 1
    return {**shares, new: percent}
