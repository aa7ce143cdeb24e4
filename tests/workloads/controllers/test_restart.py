"""Killed between any two steps, the controllers go on and everything still happens exactly once.

The work is driven by hand, in one thread. A bomb goes off at the n-th call to the store or the engine (before or after
it took effect), the controllers are thrown away, new ones go on; for every n until the work needs fewer calls.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.controllers import PARENT, World, job, pool
from tests.support.fake_engine import FakeEngine, group
from workloads.controllers.assembly import Assembly
from workloads.store import NotFound

STEPS = 60  # turns after which the work must be done


class Killed(BaseException):
    """The process is gone: nothing may catch it."""


class Bomb:
    """Goes off once, at the n-th call made by the thread that works."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.thread = threading.get_ident()

    def __call__(self, _: str = "") -> None:
        """One call."""
        if threading.get_ident() == self.thread:
            self.left -= 1
            if self.left == 0:
                raise Killed

    @property
    def is_off(self) -> bool:
        """Whether it has gone off."""
        return self.left <= 0


class Wired:
    """A store, an engine, … whose every call may set off the bomb, before and after it takes effect."""

    def __init__(self, real: Any, bomb: Bomb) -> None:
        self._real, self._bomb = real, bomb

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real):
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self._bomb()
            answer = real(*args, **kwargs)
            self._bomb()
            return answer

        return call


def wired(here: World, engine: FakeEngine, bomb: Bomb) -> Assembly:
    """New controllers, as after a start of the process."""
    engine.on_call = bomb
    store: Any = Wired(here.store, bomb)
    models: Any = Wired(here.models, bomb)
    gateway: Any = Wired(here.gateway, bomb)
    return Assembly(replace(here.platform, store=store, models=models, gateway=gateway))


def turn(here: World, assembly: Assembly, names: list[str]) -> None:
    """What the loop does, without its threads."""
    assembly.queue.admit()
    for chore in assembly.loop._sweep_chores:
        chore()
    for name in names:
        try:
            row = here.store.get(name)
        except NotFound:
            continue
        assembly.loop._controllers[row.collection].reconcile(row)


def only(name: str) -> Callable[[], list[str]]:
    """Just this row is worked on."""
    return lambda: [name]


def reached(here: World, name: str, state: str) -> Callable[[], bool]:
    """Whether the row is in the state."""
    return lambda: here.store.get(name).state == state


def survive(
    here: World, engine: FakeEngine, after: int, names: Callable[[], list[str]], is_done: Callable[[], bool]
) -> bool:
    """Work until it is done, with a kill at the `after`-th call; whether the bomb went off before that."""
    bomb = Bomb(after)
    assembly = wired(here, engine, bomb)
    for _ in range(STEPS):
        try:
            turn(here, assembly, names())
        except Killed:
            assembly.close()
            assembly = wired(here, engine, bomb)
        if is_done() and not engine.containers:
            break
    assembly.close()
    engine.on_call = lambda call: None
    assert is_done(), f"killed at call {after}, no end: {[(r.message, r.status) for r in map(here.store.get, names())]}"
    return bomb.is_off


def test_a_job_ends_once_wherever_its_controllers_are_killed(here: World, engine: FakeEngine) -> None:
    """Each container starts once, its lines are kept once, the job SUCCEEDS, and nothing stays behind."""
    engine.autorun = lambda spec: 0 if spec.labels["cairn.replica"] == "0-0" else None
    for after in range(1, 400):
        name = here.job(job(pool(), pool()), after)
        went_off = survive(here, engine, after, only(name), reached(here, name, "JOB_STATE_SUCCEEDED"))
        assert set(engine.starts.values()) == {1}, after
        assert len(engine.starts) == 2, f"another attempt after a kill at call {after}: {engine.starts}"
        assert [line.text for line in here.store.read_logs(name)] == [f"job-{after}-0-0-0 says hello"], after
        assert not engine.containers, after
        engine.starts.clear()
        if not went_off:
            assert after > 20, "the bomb must have had its chances"
            return
    pytest.fail("the work takes more calls than the test allows for")


def test_a_failing_job_fails_once(here: World, engine: FakeEngine) -> None:
    """A program that fails is not run again because its controllers were killed meanwhile."""
    engine.autorun = lambda spec: 1
    for after in range(1, 400):
        name = here.job(job(), after)
        went_off = survive(here, engine, after, only(name), reached(here, name, "JOB_STATE_FAILED"))
        assert "says hello" in here.store.get(name).message["error"]["message"], after
        assert sum(engine.starts.values()) == 1, after
        engine.starts.clear()
        if not went_off:
            return
    pytest.fail("the work takes more calls than the test allows for")


def test_a_pipeline_makes_one_job_and_one_model(here: World, engine: FakeEngine) -> None:
    """Killed anywhere, a training pipeline still makes one custom job and uploads one model version."""
    engine.autorun = lambda spec: 0
    inputs = {
        "worker_pool_specs": [{"machine_spec": {"machine_type": "n1-standard-2"}, "replica_count": 1.0,
                               "container_spec": {"image_uri": "mine", "command": ["x"]}}],
        "base_output_directory": {"output_uri_prefix": "gs://out/run"},
    }  # fmt: skip
    for after in range(1, 400):
        message = {
            "displayName": "p", "state": "PIPELINE_STATE_QUEUED", "trainingTaskInputs": inputs,
            "modelToUpload": {"displayName": "m", "containerSpec": {"imageUri": "s"}},
        }  # fmt: skip
        name = here.job(message, after, "trainingPipelines")

        def names(name: str = name) -> list[str]:
            return [name, *(row.name for row in here.store.list("customJobs"))]

        went_off = survive(here, engine, after, names, reached(here, name, "PIPELINE_STATE_SUCCEEDED"))
        assert len(here.store.list("customJobs")) == 1, after
        assert list(here.models.uploads) == [name], after
        made = here.store.get(name).message["modelToUpload"]
        assert (made["artifactUri"], made["versionId"]) == ("gs://out/run/model", "1")
        here.models.uploads.clear()
        here.store.delete(here.store.list("customJobs")[0].name)
        if not went_off:
            return
    pytest.fail("the work takes more calls than the test allows for")


def test_deploy_and_undeploy(here: World, engine: FakeEngine, healthy_port: int) -> None:
    """Killed anywhere, a deployment starts each server once and ends routed; an undeployment leaves nothing."""
    model = here.models.add("m", containerSpec={"healthRoute": "/health", "ports": [{"containerPort": healthy_port}]})
    for after in range(1, 400):
        endpoint = f"{PARENT}/endpoints/{after}"
        here.store.create(endpoint, {})
        deploy = {
            "endpoint": endpoint, "trafficSplit": {"0": 100},
            "deployedModel": {"id": "7", "model": model, "dedicatedResources": {"minReplicaCount": 2}},
        }  # fmt: skip
        first = operate(here, engine, after, "deployModel", endpoint, deploy)
        assert engine.starts == {f"model-{after}-7-0": 1, f"model-{after}-7-1": 1}, after
        routed = here.gateway.table["endpoints"][0]
        assert (routed["name"], routed["deployedModels"][0]["weight"]) == (endpoint, 100)
        assert here.store.get(endpoint).status["routed"] == {"7": 100}
        second = operate(here, engine, after, "undeployModel", endpoint, {"deployedModelId": "7"})
        assert engine.containers == {}, after
        assert here.gateway.table["endpoints"][0]["deployedModels"] == []
        assert here.store.get(endpoint).message == {"deployedModels": [], "trafficSplit": {}}
        here.store.delete(endpoint)
        engine.starts.clear()
        if not first and not second:
            return
    pytest.fail("the work takes more calls than the test allows for")


def operate(here: World, engine: FakeEngine, after: int, method: str, endpoint: str, request: Any) -> bool:
    """Carry out an operation with a kill at the `after`-th call; whether the bomb went off."""
    name = f"{PARENT}/operations/{here.store.new_id()}"
    here.store.create(name, {}, {"request": {"method": method, "target": endpoint, "message": request}})
    bomb = Bomb(after)
    assembly = wired(here, engine, bomb)
    for _ in range(STEPS):
        try:
            turn(here, assembly, [name, endpoint])
        except Killed:
            assembly.close()
            assembly = wired(here, engine, bomb)
        if here.store.get(name).message.get("done"):
            break
    assembly.close()
    engine.on_call = lambda call: None
    message = here.store.get(name).message
    assert message.get("done"), after
    assert "response" in message, (after, message)
    return bomb.is_off


def test_a_bomb_in_every_place_is_what_it_says(here: World, engine: FakeEngine) -> None:
    """The bomb really stops the engine between create and start: a container is left created, and then started once."""
    engine.autorun = lambda spec: 0
    seen: list[str] = []

    def killer(call: str) -> None:
        seen.append(call)
        if call == "run created" and seen.count(call) == 1:
            raise Killed

    one = group("x")
    engine.on_call = killer
    with pytest.raises(Killed):
        engine.run(one)
    assert engine.containers["x-0"].state.phase == "created"
    engine.run(one)
    assert engine.starts == {"x-0": 1}
