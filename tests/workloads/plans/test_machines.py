"""Machine specs → limits and prices; what fits."""

from typing import Any

import pytest

from tests.support.controllers import config
from workloads.config import AcceleratorType, MachineType, Toleration
from workloads.plans import machines
from workloads.plans.container import Placement, Resources
from workloads.plans.errors import InvalidWish
from workloads.plans.machines import Demand

T4 = "NVIDIA_TESLA_T4"


def test_resources_and_price() -> None:
    """A machine type's limits, an accelerator's count, and the price of both."""
    assert machines.resources({"machineType": "n1-standard-4"}, config()) == Resources(1, 512)
    spec = {"machineType": "n1-standard-4", "acceleratorType": T4, "acceleratorCount": 2}
    assert machines.resources(spec, config()) == Resources(1, 512, 2, T4)
    assert machines.price_per_hour(spec, config()) == pytest.approx(0.2 + 2 * 0.35)


def test_placement() -> None:
    """A machine type's nodes, and its accelerator's where one is asked for; what both tolerate is said once."""
    any_taint, gpu_taint = Toleration(operator="Exists"), Toleration("gpu", effect="NoSchedule")
    settings = config(
        machine_types={"m": MachineType(1, 1, 0.1, {"pool": "m"}, (any_taint,))},
        accelerators={T4: AcceleratorType(1, 0.1, "gpu", {"card": "t4"}, (any_taint, gpu_taint))},
    )
    assert machines.placement({"machineType": "m"}, settings) == Placement({"pool": "m"}, (any_taint,))
    both = machines.placement({"machineType": "m", "acceleratorType": T4, "acceleratorCount": 1}, settings)
    assert both == Placement({"pool": "m", "card": "t4"}, (any_taint, gpu_taint))


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "machineType is empty; this stack has: n1-standard-2"),
        ({"machineType": "n1-standrd-4"}, "did you mean n1-standard-4"),
        ({"machineType": "zzz"}, "'zzz' is not a machine type of this stack; it has"),
        (
            {"machineType": "n1-standard-2", "acceleratorType": "NVIDIA_H100", "acceleratorCount": 1},
            "NVIDIA_H100 is not on",
        ),
        ({"machineType": "n1-standard-2", "acceleratorType": T4, "acceleratorCount": 3}, "this stack has 2"),
        ({"machineType": "n1-standard-2", "acceleratorType": T4}, "acceleratorCount is 0"),
        ({"machineType": "n1-standard-2", "acceleratorCount": 1}, "acceleratorType is not given"),
    ],
)
def test_refused(spec: dict[str, Any], says: str) -> None:
    """The error names the field, the value and the remedy."""
    with pytest.raises(InvalidWish, match=says):
        machines.resources(spec, config())


def test_no_accelerator_may_be_said_explicitly() -> None:
    """The enum's zero value is no accelerator."""
    spec = {"machineType": "n1-standard-2", "acceleratorType": "ACCELERATOR_TYPE_UNSPECIFIED"}
    assert machines.resources(spec, config()).gpus == 0


def test_demand_adds_up_and_survives_json() -> None:
    """Demands of several containers add up, GPUs by type; a row's status keeps them."""
    total = machines.demand([Resources(0.1, 100), Resources(0.2, 50, 1, T4), Resources(1, 1, 1, "X")])
    assert total == Demand(1.3, 151, {T4: 1, "X": 1})
    assert Demand.from_json(total.to_json()) == total


@pytest.mark.parametrize(
    ("wanted", "used", "reason"),
    [
        (Demand(2, 2048), Demand(), ""),
        (Demand(0.3), Demand(1.7), ""),
        (Demand(1), Demand(1.5), "1 CPU wanted, 0.5 of 2 free"),
        (Demand(0, 1000), Demand(0, 2000), "1000 MiB of memory wanted, 48 of 2048 free"),
        (Demand(0, 0, {T4: 2}), Demand(0, 0, {T4: 1}), f"2 {T4} wanted, 1 of 2 free"),
        (Demand(0, 0, {"X": 1}), Demand(), "1 X wanted, 0 of 0 free"),
        (Demand(3, 3000), Demand(), "3 CPU wanted, 2 of 2 free; 3000 MiB of memory wanted, 2048 of 2048 free"),
    ],
)
def test_shortage(wanted: Demand, used: Demand, reason: str) -> None:
    """Why something does not fit, in figures; nothing when it does."""
    assert machines.shortage(wanted, used, config()) == reason


def test_what_can_never_run_is_refused() -> None:
    """With the stack's name and what to do."""
    machines.require_possible(Demand(2, 2048), config())
    with pytest.raises(InvalidWish, match=r"never run on stack 'test'.*smaller machine type"):
        machines.require_possible(Demand(2.5), config())
