"""Budgets of the whole stack: limits of services and the capacity for jobs, priced, against what is allowed."""

from typing import Any

import pytest
from pulumi_policy import PolicyResource, StackValidationArgs, StackValidationPolicy

from policies.reading.docker import CONTAINER, workload
from policies.rules import ALL
from policies.rules.budgets import price_of_capacity, total
from tests.policies.support import GOOD, labels
from workloads import contract
from workloads.config import AcceleratorType, Capacity, MachineType, PlatformConfig

CONFIG = PlatformConfig(
    stack="test",
    project="p",
    location="l",
    staging_bucket="b",
    machine_types={"small": MachineType(1, 1024, 0.1), "large": MachineType(4, 8192, 0.3)},
    images={},
    networks={},
    capacity=Capacity(4, 8192),
    accelerators={"NVIDIA_TESLA_T4": AcceleratorType(2, 0.35)},
)
RUNNER = {**GOOD, "envs": [f"{contract.ENV_CONFIG}={CONFIG.to_json()}"], "labels": labels(kind="job_runner")}


def violations(*containers: dict[str, Any], **config: float) -> list[str]:
    """What the budget rule says of a stack of these containers."""
    resources = [
        PolicyResource(CONTAINER, props, "urn", "it", None, None, None, [], {})  # type: ignore[arg-type]
        for props in containers
    ]
    (rule,) = [each for each in ALL if isinstance(each, StackValidationPolicy) and each.name == "stack-budget"]
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        found.append(message)

    rule.validate(StackValidationArgs(resources, config), report)
    return found


def test_total() -> None:
    """Services' limits, the capacity for jobs and its dearest use add up."""
    taken = total(map(workload, [GOOD, RUNNER]))
    assert (taken.limits.cpu, taken.limits.memory_mib / 1024, taken.limits.gpus) == (5.0, 9.0, 2)
    assert taken.price_per_hour == pytest.approx(4 * 0.1 + 2 * 0.35)


def test_price_is_that_of_the_dearest_filling() -> None:
    """Four small machines cost more than the one large that fits."""
    assert price_of_capacity(CONFIG) == pytest.approx(0.4 + 0.7)


def test_within_budget() -> None:
    """A stack within its budgets is accepted."""
    assert violations(GOOD, RUNNER, pricePerHour=2) == []


@pytest.mark.parametrize(
    ("name", "limit", "taken"), [("cpu", 4, "5"), ("memoryGib", 8, "9"), ("gpus", 1, "2"), ("pricePerHour", 1, "1.1")]
)
def test_over_budget(name: str, limit: float, taken: str) -> None:
    """Each budget is checked on its own; the message says what is taken, what is allowed and what to change."""
    budgets = {"cpu": 100.0, "memoryGib": 100.0, "gpus": 100.0, "pricePerHour": 100.0, name: limit}
    (message,) = violations(GOOD, RUNNER, **budgets)
    for words in (f"up to {taken} of {name}", f"budget is {limit}", "lower cairn:capacity", f'{{"{name}"'):
        assert words in message


def test_only_a_job_runner_offers_capacity() -> None:
    """The API is told the same config, and it is not counted twice."""
    api = {**RUNNER, "labels": labels(kind="api")}
    assert total(map(workload, [RUNNER, api])).limits.gpus == total([workload(RUNNER)]).limits.gpus
