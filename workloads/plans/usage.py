"""What a job has used and what it costs: reserved capacity times time, as Vertex bills."""

from typing import Any

from workloads.plans.machines import Demand


def usage(seconds: float, demand: Demand, price_per_hour: float, currency: str) -> dict[str, Any]:
    """Usage of machines with this demand and price, held for so many seconds."""
    held = max(seconds, 0.0)
    return {
        "cpu_seconds": round(demand.cpu * held, 3),
        "memory_gib_seconds": round(demand.memory_mib / 1024 * held, 3),
        "gpu_seconds": round(sum(demand.gpus.values()) * held, 3),
        "price": round(price_per_hour * held / 3600, 6),
        "currency": currency,
    }


def add(first: dict[str, Any] | None, second: dict[str, Any]) -> dict[str, Any]:
    """The usage of two attempts together."""
    if not first:
        return second
    figures = ("cpu_seconds", "memory_gib_seconds", "gpu_seconds", "price")
    return {**second, **{key: round(first[key] + second[key], 6) for key in figures}}
