"""Engines that don't start at once what they are given: a job waits and says why, a deployment fails and says why."""

from dataclasses import replace

from tests.support.controllers import PARENT, World, eventually, job, pool
from tests.support.fake_engine import FakeEngine
from workloads.store import Json

UNSCHEDULABLE = "Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu"


def doom(engine: FakeEngine, name: str, problem: str) -> None:
    """The engine finds out that the container will never start."""
    found = engine.containers[name]
    found.state = replace(found.state, problem=problem, fatal=True)


def test_a_job_is_pending_until_its_containers_run(here: World, engine: FakeEngine) -> None:
    """It shows the engine's reason, keeps its capacity, and runs from when the last of its containers does."""
    engine.held["job-1-0-1-1"] = UNSCHEDULABLE
    with here.running():
        name = here.job(job(pool(), pool(replicas=2)))
        assert eventually(lambda: here.store.get(name).status.get("reason") == UNSCHEDULABLE)
        row = here.store.get(name)
        assert (row.state, row.status["reserved"]["cpu"]) == ("JOB_STATE_PENDING", 1.5)
        assert "startTime" not in row.message
        engine.start("job-1-0-1-1")
        row = here.until(name, "JOB_STATE_RUNNING")
        assert "reason" not in row.status
        assert [each["name"] for each in row.status["replicas"]] == ["job-1-0-0-0", "job-1-0-1-0", "job-1-0-1-1"]
    assert set(engine.starts.values()) == {1}


def test_a_start_without_a_reason(here: World, engine: FakeEngine) -> None:
    """An engine that just takes its time has no problem to tell; the job still says what it waits for."""
    engine.held["job-1-0-0-0"] = ""
    with here.running():
        name = here.job(job())
        assert eventually(lambda: "being started" in here.store.get(name).status.get("reason", ""))
        assert here.store.get(name).state == "JOB_STATE_PENDING"


def test_a_start_that_never_will_be(here: World, engine: FakeEngine) -> None:
    """The job fails with the engine's words, and nothing of it stays."""
    engine.held["job-1-0-1-0"] = "ContainerCreating"
    with here.running():
        name = here.job(job(pool(), pool()))
        assert eventually(lambda: here.store.get(name).status.get("reason") == "ContainerCreating")
        doom(engine, "job-1-0-1-0", "ErrImagePull: no such image")
        row = here.until(name, "JOB_STATE_FAILED")
        assert eventually(lambda: engine.containers == {})
    assert row.message["error"]["message"] == "The job can't be started: ErrImagePull: no such image"
    assert "reason" not in row.status


def test_what_has_ended_is_judged_before_all_have_begun(here: World, engine: FakeEngine) -> None:
    """A program that fails while another waits for room fails the job now, not when there is room."""
    engine.held["job-1-0-1-0"] = UNSCHEDULABLE
    with here.running():
        name = here.job(job(pool(), pool()))
        here.until(name, "JOB_STATE_PENDING")
        assert eventually(lambda: "job-1-0-0-0" in engine.starts)
        engine.end("job-1-0-0-0", 3)
        row = here.until(name, "JOB_STATE_FAILED")
    assert "exited with code 3" in row.message["error"]["message"]


def test_a_waiting_job_can_be_cancelled(here: World, engine: FakeEngine) -> None:
    """And leaves nothing, not even what had not begun."""
    engine.held["job-1-0-0-0"] = UNSCHEDULABLE
    with here.running():
        name = here.job(job())
        assert eventually(lambda: here.store.get(name).status.get("reason") == UNSCHEDULABLE)
        here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
        here.until(name, "JOB_STATE_CANCELLED")
        assert eventually(lambda: engine.containers == {})
    assert engine.starts == {}


def deploy(here: World, engine: FakeEngine, *, fatal: bool) -> Json:
    """The error of a deployment whose server never starts."""
    engine.held["model-9-1-0"] = UNSCHEDULABLE
    endpoint, name = f"{PARENT}/endpoints/9", f"{PARENT}/operations/1"
    here.store.create(endpoint, {})
    model = here.models.add("m", containerSpec={"deploymentTimeout": "600s" if fatal else "1s"})
    request = {"deployedModel": {"id": "1", "model": model}, "trafficSplit": {"0": 100}}
    with here.running():
        here.store.create(name, {}, {"request": {"method": "deployModel", "target": endpoint, "message": request}})
        if fatal:
            assert eventually(lambda: "model-9-1-0" in engine.containers)
            doom(engine, "model-9-1-0", "InvalidImageName")
        row = here.until(name, "DONE")
        assert eventually(lambda: engine.containers == {})
    error: Json = row.message["error"]
    return error


def test_a_server_that_finds_no_room(here: World, engine: FakeEngine) -> None:
    """The deadline's error says why it did not start, in place of last words that it can't have."""
    error = deploy(here, engine, fatal=False)
    assert error["code"] == 4
    assert "within 1 s" in error["message"]
    assert UNSCHEDULABLE in error["message"]


def test_a_server_that_can_never_start(here: World, engine: FakeEngine) -> None:
    """No waiting for the deadline."""
    error = deploy(here, engine, fatal=True)
    assert error == {"code": 3, "message": "The model's server model-9-1-0 can't be started: InvalidImageName"}
