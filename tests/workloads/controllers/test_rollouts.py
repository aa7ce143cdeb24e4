"""Rollouts of declared models through the running controllers: promoted, taken back, gone on with after a restart."""

from dataclasses import replace
from functools import partial
from typing import Any

from tests.support.controllers import PARENT, World, eventually
from tests.support.fake_engine import FakeEngine
from workloads import contract
from workloads.plans.rollouts import Rollout
from workloads.plans.serving import DeployedModel, group_name, plan

ENDPOINT = f"{PARENT}/endpoints/fixed"
ROLLOUT = Rollout(steps=(10, 50, 100), step_s=0.01, min_requests=100, max_error_rate=0.02)


def declare(here: World, engine: FakeEngine, number: str, **more: Any) -> DeployedModel:
    """A model's container as Pulumi makes it."""
    model = DeployedModel(ENDPOINT, number, f"{PARENT}/models/m", "image", health_route="/health", **more)
    engine.run(plan(model, "", here.platform.config))
    found = engine.containers[f"{group_name(model)}-0"]
    labels = {**found.state.labels, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}
    found.state = replace(found.state, labels=labels)
    return model


def versions(here: World, engine: FakeEngine, port: int, rollout: Rollout = ROLLOUT) -> None:
    """One with all traffic and one with a rollout."""
    declare(here, engine, "1", weight=100)
    declare(here, engine, "2", port=port, rollout=rollout.to_json())


def measured(here: World, **counts: tuple[int, int]) -> None:
    """Requests and errors that the gateway has counted, of m1 and m2."""
    models = [
        {"endpoint": ENDPOINT, "id": name[1:], "requests": requests, "errors": errors, "latency": [requests, 0]}
        for name, (requests, errors) in counts.items()
    ]
    here.gateway.measured = {"since": 1.0, "boundsMs": [5], "models": models}


def split(here: World) -> dict[str, int]:
    """What the gateway has."""
    return {each["id"]: each["weight"] for row in here.gateway.table["endpoints"] for each in row["deployedModels"]}


def servers(here: World) -> dict[str, list[str]]:
    """Those that the gateway knows of each model."""
    return {each["id"]: each["servers"] for each in here.gateway.table["endpoints"][0]["deployedModels"]}


def is_split(here: World, percent: int) -> bool:
    """Whether the new version has so much."""
    return split(here) == {"1": 100 - percent, "2": percent}


def state(here: World) -> dict[str, Any]:
    """Of the rollout, as noted."""
    noted: dict[str, Any] = here.store.get(ENDPOINT).status["deployed"]["2"]["rollout"]
    return noted


def test_it_waits_for_health_and_is_promoted(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """No traffic before its server is healthy, then step by step with the requests that each takes, and it stays."""
    measured(here, m1=(0, 0), m2=(0, 0))
    declare(here, engine, "1", weight=100)
    sick = declare(here, engine, "2", port=1, rollout=ROLLOUT.to_json())
    with here.running():
        assert eventually(lambda: split(here) == {"1": 100, "2": 0} and state(here)["state"] == "WAITING")
        assert servers(here) == {"1": ["model-fixed-1-0:8080"], "2": []}
        engine.remove(group_name(sick))
        declare(here, engine, "2", port=healthy_port, rollout=ROLLOUT.to_json())
        assert eventually(lambda: split(here) == {"1": 90, "2": 10})
        assert servers(here)["2"] == [f"model-fixed-2-0:{healthy_port}"]
        for requests, wanted in ((100, 50), (200, 100)):
            measured(here, m1=(900, 5), m2=(requests, 0))
            assert eventually(partial(is_split, here, wanted)), state(here)
        measured(here, m1=(900, 5), m2=(300, 1))
        assert eventually(lambda: state(here)["state"] == "PROMOTED")
        measured(here, m1=(900, 5), m2=(900, 600))  # after the end nobody judges it
    with here.running():
        assert split(here) == {"1": 0, "2": 100} == here.store.get(ENDPOINT).message["trafficSplit"]


def test_errors_take_it_back(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """All traffic is the other version's at once, the reason is kept, and it is not tried again by a restart."""
    measured(here, m1=(900, 0), m2=(70, 70))  # an earlier life's
    versions(here, engine, healthy_port)
    with here.running():
        assert eventually(lambda: split(here) == {"1": 90, "2": 10})
        measured(here, m1=(950, 0), m2=(80, 73))
        assert eventually(lambda: split(here) == {"1": 100, "2": 0})
    assert "at 10 % of the traffic 3 of 10 requests failed" in state(here)["reason"]
    with here.running():
        assert (state(here)["state"], split(here)) == ("ROLLED_BACK", {"1": 100, "2": 0})


def test_a_shadow_does_not_count_as_live(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """The new version is compared with who has the traffic: a slow shadow beside it makes it no better, nor worse."""
    rollout = replace(ROLLOUT, steps=(100,), max_latency_ratio=1.5)
    measured(here, m1=(0, 0), m2=(0, 0), m3=(0, 0))
    versions(here, engine, healthy_port, rollout)
    declare(here, engine, "3", shadow=50)
    with here.running():
        assert eventually(lambda: split(here) == {"1": 0, "2": 100, "3": 0})
        quick, slow = [900, 0], [0, 900]
        counts = {"requests": 900, "errors": 0, "endpoint": ENDPOINT}
        models = [{**counts, "id": each, "latency": slow if each != "1" else quick} for each in "123"]
        here.gateway.measured = {"since": 1.0, "boundsMs": [5], "models": models}
        assert eventually(lambda: state(here)["state"] == "ROLLED_BACK"), state(here)
    assert "times the live version's 5 ms" in state(here)["reason"]


def test_a_restart_goes_on_in_the_step(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """What the row says is what is routed, and the step's counts begin where they had begun."""
    measured(here, m1=(0, 0), m2=(0, 0))
    versions(here, engine, healthy_port)
    with here.running():
        assert eventually(lambda: split(here) == {"1": 90, "2": 10})
    here.gateway.table = {"endpoints": []}
    measured(here, m1=(500, 0), m2=(60, 0))
    with here.running():
        assert eventually(lambda: split(here) == {"1": 90, "2": 10})
        measured(here, m1=(900, 0), m2=(100, 0))
        assert eventually(lambda: split(here) == {"1": 50, "2": 50})


def test_another_declaration_begins_anew(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """Other steps or another image start a rollout from its beginning; without one the declared traffic counts."""
    measured(here, m1=(0, 0), m2=(0, 0))
    versions(here, engine, healthy_port)
    with here.running():
        assert eventually(lambda: split(here) == {"1": 90, "2": 10})
        engine.remove("model-fixed-2")
        declare(here, engine, "2", port=healthy_port, rollout=replace(ROLLOUT, steps=(30, 100)).to_json())
        assert eventually(lambda: split(here) == {"1": 70, "2": 30})
        for number, weight in (("1", 60), ("2", 40)):
            engine.remove(f"model-fixed-{number}")
            declare(here, engine, number, port=healthy_port, weight=weight)
        assert eventually(lambda: split(here) == {"1": 60, "2": 40})
