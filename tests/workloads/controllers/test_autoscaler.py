"""Deployed models that follow their load, through the running controllers; what they measure is set by the test."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tests.support.controllers import World, eventually, job, pool, world
from tests.support.fake_engine import FakeEngine
from tests.workloads.controllers.test_endpoints import ENDPOINT, deploy, operation, reserves
from workloads.config import Autoscaling
from workloads.controllers.gateway import Waker
from workloads.controllers.loads import Loads
from workloads.plans.autoscaling import CPU, REQUESTS, Load
from workloads.plans.serving import DeployedModel, plan
from workloads.store import Store

QUICK = Autoscaling(interval_s=0.1, window_s=0.6, shortest_idle_s=0.1, hold_s=5)
SPECS = [{"metricName": REQUESTS, "target": 60}]  # one request a second and replica


@pytest.fixture
def here(store: Store, engine: FakeEngine) -> World:
    """Controllers that look often."""
    return world(store, engine, autoscaling=QUICK)


@pytest.fixture
def model(here: World, healthy_port: int) -> str:
    """A model whose server is healthy as soon as it runs."""
    here.store.create(ENDPOINT, {"displayName": "e"})
    ports = [{"containerPort": healthy_port}]
    return here.models.add("m", containerSpec={"healthRoute": "/health", "ports": ports})


class Traffic:
    """What the gateway counts, growing whenever it is asked."""

    def __init__(self, here: World) -> None:
        self.count, self.step, self.in_flight, self.last = 0, 0, 0, 0.0
        here.gateway.measures = self.measures  # type: ignore[method-assign]

    def measures(self) -> Any:
        """One more look."""
        self.count += self.step
        counted = {"requests": self.count, "errors": 0, "inFlight": self.in_flight, "lastRequest": self.last}
        return {"since": 0.0, "boundsMs": [], "models": [{"endpoint": ENDPOINT, "id": "1", **counted}]}


def servers(engine: FakeEngine, count: int) -> bool:
    """Whether so many servers are there."""
    found = {name for name in engine.containers if name.startswith("model-")}
    return found == {f"model-9-1-{number}" for number in range(count)}


def routed(here: World) -> int:
    """How many servers the gateway has."""
    return len(here.gateway.table["endpoints"][0]["deployedModels"][0]["servers"])


def status(here: World) -> Any:
    """The deployed model's, as users see it."""
    return here.store.get(ENDPOINT).message["deployedModels"][0].get("status", {})


def test_up_and_down_with_the_load(here: World, engine: FakeEngine, model: str) -> None:
    """More requests bring more replicas, routed once healthy; fewer take them away, and their capacity with them."""
    traffic = Traffic(here)
    with here.running():
        deploy(here, model, "1", {"0": 100}, maxReplicaCount=3, autoscalingMetricSpecs=SPECS)
        traffic.step = 100
        assert eventually(lambda: servers(engine, 3) and routed(here) == 3)
        assert eventually(lambda: status(here).get("availableReplicaCount") == 3)
        assert reserves(here, 1.5)
        traffic.step = 0
        assert eventually(lambda: servers(engine, 1) and routed(here) == 1)
        assert eventually(partial(reserves, here, 0.5))
        assert eventually(lambda: status(here)["availableReplicaCount"] == 1)


def test_no_room_is_said_and_what_fits_is_taken(here: World, engine: FakeEngine, model: str) -> None:
    """Beside a job there is room for one more replica, not for two: one comes, and the status tells what lacks."""
    traffic = Traffic(here)
    with here.running():
        deploy(here, model, "1", {"0": 100}, maxReplicaCount=3, autoscalingMetricSpecs=SPECS)
        running = here.job(job(pool("n1-standard-4")))
        here.until(running, "JOB_STATE_RUNNING")
        traffic.step = 100
        assert eventually(lambda: servers(engine, 2) and routed(here) == 2)
        assert eventually(lambda: "no room" in status(here).get("message", ""))
        assert "asks for 3 replicas" in status(here)["message"]
        engine.end("job-1-0-0-0", 0)
        assert eventually(lambda: servers(engine, 3))
        assert eventually(lambda: "message" not in status(here))


def test_mutated_bounds(here: World, engine: FakeEngine, model: str) -> None:
    """New bounds count at once: a higher least brings replicas up, a lower most takes them away."""
    Traffic(here)
    with here.running():
        deploy(here, model, "1", {"0": 100}, maxReplicaCount=1)
        for low, high, count in ((2, 3, 2), (1, 1, 1)):
            wanted = {"id": "1", "dedicatedResources": {"minReplicaCount": low, "maxReplicaCount": high}}
            done = operation(here, "mutateDeployedModel", {"deployedModel": wanted})
            assert done.message["response"]["deployedModel"]["dedicatedResources"]["maxReplicaCount"] == high
            assert eventually(partial(servers, engine, count))


def test_new_replicas_that_never_start(here: World, engine: FakeEngine, model: str) -> None:
    """They are given up with the reason in the status, what serves goes on, and their capacity is free again."""
    traffic = Traffic(here)
    with here.running():
        deploy(here, model, "1", {"0": 100}, maxReplicaCount=2, autoscalingMetricSpecs=SPECS)
        engine.held["model-9-1-1"] = "Insufficient nvidia.com/gpu"
        engine.fatal = True
        traffic.step = 100
        assert eventually(lambda: "Insufficient" in status(here).get("message", ""))
        traffic.step = 0
        assert eventually(lambda: servers(engine, 1) and routed(here) == 1)
        assert eventually(partial(reserves, here, 0.5))


def test_to_none_and_back(here: World, engine: FakeEngine, model: str) -> None:
    """After idleness no server runs or holds capacity, and the gateway has none; a request in flight brings it back."""
    traffic = Traffic(here)
    zero = {"idleScaledownPeriod": "0.3s", "minScaleupPeriod": "0.1s"}
    resources = {"minReplicaCount": 0, "initialReplicaCount": 2, "maxReplicaCount": 2, "scaleToZeroSpec": zero}
    with here.running():
        deploy(here, model, "1", {"0": 100}, **resources)
        assert eventually(lambda: servers(engine, 0) and routed(here) == 0)
        assert eventually(partial(reserves, here, 0))
        assert here.gateway.table["endpoints"][0]["deployedModels"][0]["hold"] == {"seconds": 5, "reason": ""}
        assert engine.starts == {"model-9-1-0": 1, "model-9-1-1": 1}
        traffic.in_flight = 1
        assert eventually(lambda: servers(engine, 2) and routed(here) == 2)


def test_a_restarted_controller_goes_on(here: World, engine: FakeEngine, model: str) -> None:
    """Killed while replicas are on their way, or at none: the rows tell how many there are to be."""
    traffic = Traffic(here)
    with here.running():
        deploy(here, model, "1", {"0": 100}, maxReplicaCount=3, autoscalingMetricSpecs=SPECS)
        engine.held["model-9-1-1"] = "not yet"
        traffic.step = 100
        assert eventually(lambda: "scaling" in here.store.get(ENDPOINT).status["deployed"]["1"])
    traffic.step = 0
    with here.running():
        assert eventually(lambda: "model-9-1-2" in engine.containers)
        engine.start("model-9-1-1")
        assert eventually(lambda: routed(here) == 3)
    assert set(engine.starts.values()) == {1}


class Clock:
    """A time of day that a test moves."""

    seconds = 0.0

    def __call__(self) -> datetime:
        """Seconds since 1970."""
        return datetime.fromtimestamp(self.seconds, UTC)


def look(here: World, loads: Loads, model: DeployedModel, **counted: Any) -> Load:
    """The load, by these counters."""
    here.gateway.measured = {"since": 0.0, "models": [{"endpoint": ENDPOINT, "id": "1", **counted}]}
    found = loads.look(model, 0)
    assert found is not None
    return found


@pytest.mark.parametrize(("supervises", "percent"), [(False, 80.0), (True, 200.0)])
def test_what_is_measured(here: World, engine: FakeEngine, supervises: bool, percent: float) -> None:
    """CPU time of the replicas' cores where the engine tells it, else the requests that each answers at once."""
    engine.supervises = supervises
    one = DeployedModel(ENDPOINT, "1", "m", "image")
    engine.run(plan(one, "", here.platform.config))
    clock = Clock()
    loads = Loads(replace(here.platform, now=clock))
    assert look(here, loads, one, requests=0, busyMs=0, inFlight=0, lastRequest=0).found == {}
    clock.seconds, engine.cpu = 10, {"model-9-1-0": 4.0}  # of half a core
    found = look(here, loads, one, requests=50, busyMs=20000, inFlight=1, lastRequest=9)
    assert found.found == pytest.approx({REQUESTS: 300.0, CPU: percent})
    assert (found.in_flight, found.idle_s) == (1, 1)
    clock.seconds = 20
    assert look(here, loads, one, requests=1, busyMs=5, inFlight=0, lastRequest=19).found == {}  # counts anew


def test_held_requests_wake_their_endpoint(here: World) -> None:
    """What the gateway tells of goes to the loop, and the next question is for what came after."""
    woken: list[str] = []
    assert Waker(here.gateway, woken.append).once(3) == 4
    assert woken == [ENDPOINT]
