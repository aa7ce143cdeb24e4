"""What the gateway has counted of a deployed model, and what came between two readings. Pure; for the controllers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """One deployed model's counts, or several added up.

    Attributes:
        errors: answers of 500 and more.
        latency: how many requests in each part of the histogram; `bounds_ms` are the parts' upper bounds, and there is
            one more for what took longer.
    """

    requests: int = 0
    errors: int = 0
    latency: Sequence[int] = ()
    bounds_ms: Sequence[float] = ()

    @property
    def error_rate(self) -> float:
        """From 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    def latency_ms(self, quantile: float) -> float:
        """The upper bound of the part in which this quantile (0 to 1) of the latencies lies; 0 without any."""
        wanted, seen = quantile * sum(self.latency), 0
        for bound, count in zip((*self.bounds_ms, float("inf")), self.latency, strict=False):
            seen += count
            if count and seen >= wanted:
                return bound
        return 0.0

    def plus(self, other: "Measured") -> "Measured":
        """Both together."""
        if not (self.latency and other.latency):
            return self if self.latency else other
        latency = [one + two for one, two in zip(self.latency, other.latency, strict=True)]
        return Measured(self.requests + other.requests, self.errors + other.errors, latency, self.bounds_ms)

    def minus(self, before: "Measured") -> "Measured":
        """What came after an earlier reading of the same counts."""
        if not before.latency:
            return self
        latency = [now - then for now, then in zip(self.latency, before.latency, strict=True)]
        return Measured(self.requests - before.requests, self.errors - before.errors, latency, self.bounds_ms)


def of_endpoint(report: Json, endpoint: str) -> dict[str, Measured]:
    """By deployed model's id, from the agent's answer to GET /measures."""
    bounds = report["boundsMs"]
    return {
        each["id"]: Measured(each["requests"], each["errors"], each["latency"], bounds)
        for each in report["models"]
        if each["endpoint"] == endpoint
    }


def between(before: Json, now: Json, endpoint: str) -> dict[str, Measured]:
    """By deployed model's id, what came between two answers; all of the later one if the counts began anew meanwhile.

    Args:
        before: an earlier answer, or what is kept of it; {} for none.
    """
    later = of_endpoint(now, endpoint)
    if before.get("since") != now["since"] or before.get("boundsMs") != now["boundsMs"]:
        return later
    earlier = of_endpoint(before, endpoint)
    return {model_id: counts.minus(earlier.get(model_id, Measured())) for model_id, counts in later.items()}


def kept(report: Json, endpoint: str) -> Json:
    """As much of an answer as a later one of the endpoint is compared with."""
    return {**report, "models": [each for each in report["models"] if each["endpoint"] == endpoint]}
