"""Usage and price."""

import pytest

from workloads.plans.machines import Demand
from workloads.plans.usage import add, usage


def test_usage() -> None:
    """Reserved cores, memory and GPUs times the seconds; the price of the hours."""
    found = usage(1800, Demand(2, 4096, {"T4": 1, "A": 2}), 0.5, "EUR")
    assert found == {
        "cpu_seconds": 3600, "memory_gib_seconds": 7200, "gpu_seconds": 5400, "price": pytest.approx(0.25),
        "currency": "EUR",
    }  # fmt: skip


def test_time_never_runs_backwards() -> None:
    """A clock that was set back costs nothing."""
    assert usage(-5, Demand(1, 1), 1, "USD")["price"] == 0


def test_attempts_add_up() -> None:
    """A job that was tried twice pays for both."""
    one = usage(10, Demand(1, 1024), 3.6, "USD")
    assert add(None, one) == one
    assert add(one, one)["cpu_seconds"] == 20
    assert add(one, one)["price"] == pytest.approx(0.02)
