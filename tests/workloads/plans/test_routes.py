"""The gateway's table, and Vertex' traffic rules."""

from typing import Any

import pytest

from tests.support.controllers import PARENT, config
from workloads.plans import routes
from workloads.plans.errors import InvalidWish
from workloads.plans.serving import DeployedModel

MODEL = f"{PARENT}/models/m"


def model(number: str, **changes: Any) -> DeployedModel:
    """A deployed model of endpoint 9."""
    return DeployedModel(
        f"{PARENT}/endpoints/9", number, f"{PARENT}/models/m", "i", display_name=f"d{number}", **changes
    )


def test_table() -> None:
    """As ARCHITECTURE.md shows it, in a stable order; servers that are down are left out, idle models stay."""
    endpoint = (f"{PARENT}/endpoints/9", {"2": 100}, [model("2", replicas=2), model("1")])
    found = routes.table([endpoint], config(), {"model-9-2-1:8080"})
    assert found == {
        "endpoints": [
            {
                "name": f"{PARENT}/endpoints/9",
                "deployedModels": [
                    {
                        "id": "1", "weight": 0, "model": MODEL, "modelVersionId": "1", "displayName": "d1",
                        "predictRoute": "/v1/endpoints/9/deployedModels/1:predict", "servers": ["model-9-1-0:8080"],
                    },
                    {
                        "id": "2", "weight": 100, "model": MODEL, "modelVersionId": "1", "displayName": "d2",
                        "predictRoute": "/v1/endpoints/9/deployedModels/2:predict", "servers": ["model-9-2-0:8080"],
                    },
                ],
            }
        ]
    }  # fmt: skip
    names = [f"{PARENT}/endpoints/{n}" for n in (2, 1)]
    assert [e["name"] for e in routes.table([(n, {}, []) for n in names], config())["endpoints"]] == sorted(names)


@pytest.mark.parametrize(
    ("current", "requested", "after"),
    [
        ({}, {"0": 100}, {"new": 100}),
        ({"1": 100}, {"0": 20, "1": 80}, {"new": 20, "1": 80}),
        ({"1": 100}, {}, {"1": 100}),
        ({}, {}, {}),
    ],
)
def test_split_after_deploy(current: dict[str, int], requested: dict[str, int], after: dict[str, int]) -> None:
    """The key "0" is the new one; without a request nothing changes."""
    assert routes.split_after_deploy(current, requested, "new", {"1"}) == after


@pytest.mark.parametrize(
    ("current", "requested", "after"),
    [
        ({"1": 100}, {"2": 100}, {"2": 100}),
        ({"1": 0, "2": 100}, {}, {"2": 100}),
        ({"2": 100}, {}, {"2": 100}),
        ({}, {}, {}),
    ],
)
def test_split_after_undeploy(current: dict[str, int], requested: dict[str, int], after: dict[str, int]) -> None:
    """What is undeployed has no share any more."""
    assert routes.split_after_undeploy(current, requested, "1", {"1", "2"}) == after


def test_the_last_model_leaves_an_empty_split() -> None:
    """Whatever was asked for."""
    assert routes.split_after_undeploy({"1": 100}, {}, "1", {"1"}) == {}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: routes.split_after_deploy({}, {"0": 50, "8": 50}, "new", {"1"}), "'8', which is not deployed"),
        (lambda: routes.split_after_deploy({}, {"0": 50}, "new", {"1"}), "sums up to 50"),
        (lambda: routes.split_after_deploy({}, {"0": 150, "1": -50}, "new", {"1"}), "can't be negative"),
        (lambda: routes.split_after_undeploy({"1": 40, "2": 60}, {}, "1", {"1", "2"}), "still gets 40 percent"),
        (lambda: routes.split_after_undeploy({"1": 40, "2": 60}, {"2": 90}, "1", {"1", "2"}), "sums up to 90"),
    ],
)
def test_refused(call: Any, says: str) -> None:
    """A split that Vertex would refuse."""
    with pytest.raises(InvalidWish, match=says):
        call()
