"""Jobs' whole way through the running controllers, on an engine in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.controllers import PARENT, World, eventually, job, pool
from tests.support.fake_engine import FakeEngine
from workloads import contract
from workloads.config import Capacity
from workloads.plans.container import ContainerSpec

DONE = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")


def primary(engine: FakeEngine) -> str:
    """The one container that is there."""
    assert eventually(lambda: len(engine.containers) == 1)
    return next(iter(engine.containers))


def test_success(here: World, engine: FakeEngine) -> None:
    """QUEUED → PENDING → RUNNING → SUCCEEDED; logs, times and usage stay, the container and the reservation don't."""
    with here.running():
        name = here.job(job(pool("n1-standard-4")))
        running = here.until(name, "JOB_STATE_RUNNING")
        assert running.status["reserved"] == {"cpu": 1.0, "memory_mib": 512, "gpus": {}}
        container = primary(engine)
        engine.say(container, "one", "two")
        engine.end(container, 0)
        row = here.until(name, *DONE)
        assert eventually(lambda: engine.containers == {})
    assert row.state == "JOB_STATE_SUCCEEDED"
    assert "error" not in row.message
    assert row.message["startTime"] <= row.message["endTime"]
    assert "reserved" not in row.status
    assert row.status["usage"]["currency"] == "USD"
    assert [(line.replica, line.text) for line in here.store.read_logs(name)] == [("0-0", "one"), ("0-0", "two")]


@pytest.mark.parametrize(
    ("code", "out_of_memory", "says"),
    [(3, False, ("exited with code 3", "last words")), (137, True, ("memory", "256 MiB", "last words"))],
)
def test_failure(here: World, engine: FakeEngine, code: int, *, out_of_memory: bool, says: tuple[str, ...]) -> None:
    """A job whose program fails is FAILED at once, with its reason and its last lines."""
    with here.running():
        name = here.job(job())
        here.until(name, "JOB_STATE_RUNNING")
        engine.say(primary(engine), "my last words")
        engine.end(primary(engine), code, out_of_memory=out_of_memory)
        row = here.until(name, *DONE)
    assert row.state == "JOB_STATE_FAILED"
    for word in says:
        assert word in row.message["error"]["message"]
    assert sum(engine.starts.values()) == 1


def test_a_full_disk(here: World, engine: FakeEngine) -> None:
    """A replica that writes more than its disk holds ends the job, which is told so, and is not tried again."""
    with here.running():
        name = here.job(job({**pool(), "diskSpec": {"bootDiskSizeGb": 1}}))
        here.until(name, "JOB_STATE_RUNNING")
        engine.say(primary(engine), "so much to write")
        engine.written[primary(engine)] = 1000
        row = here.until(name, *DONE)
        assert eventually(lambda: engine.containers == {})
    assert (row.state, row.message["error"]["code"]) == ("JOB_STATE_FAILED", 8)
    for word in ("1000 MiB", "953 MiB", "bootDiskSizeGb", "so much to write"):
        assert word in row.message["error"]["message"]


def test_no_more_processes(here: World, engine: FakeEngine) -> None:
    """A program that ends because it can start no more processes is told of its limit."""
    with here.running():
        name = here.job(job())
        here.until(name, "JOB_STATE_RUNNING")
        engine.say(primary(engine), "sh: 1: Cannot fork")
        engine.end(primary(engine), 2)
        row = here.until(name, *DONE)
    assert "limit of 1024 processes" in row.message["error"]["message"]


def test_the_primary_decides(here: World, engine: FakeEngine) -> None:
    """Workers that end well leave the job running; the primary's end stops those that are left."""
    with here.running():
        name = here.job(job(pool(), pool(replicas=2)))
        here.until(name, "JOB_STATE_RUNNING")
        engine.end("job-1-0-1-0", 0)
        assert not eventually(lambda: here.store.get(name).state != "JOB_STATE_RUNNING", 0.7)
        engine.end("job-1-0-0-0", 0)
        assert here.until(name, *DONE).state == "JOB_STATE_SUCCEEDED"
        assert eventually(lambda: engine.containers == {})


def test_a_worker_that_fails_fails_the_job(here: World, engine: FakeEngine) -> None:
    """And the others are stopped."""
    with here.running():
        name = here.job(job(pool(), pool()))
        here.until(name, "JOB_STATE_RUNNING")
        engine.end("job-1-0-1-0", 1)
        row = here.until(name, *DONE)
        assert row.state == "JOB_STATE_FAILED"
        assert "job-1-0-1-0" in row.message["error"]["message"]


def containers_are(engine: FakeEngine, *names: str) -> Callable[[], bool]:
    """Whether these are there, and no others."""
    return lambda: set(engine.containers) == set(names)


def started(engine: FakeEngine, name: str, times: int) -> Callable[[], bool]:
    """Whether the container was started so often."""
    return lambda: engine.starts.get(name) == times


def lose(engine: FakeEngine, name: str) -> None:
    """Remove a container as a hand would."""
    engine.containers.pop(name).ended.set()


def test_a_whole_job_is_retried_three_times(here: World, engine: FakeEngine) -> None:
    """Where the job asks for it, a replica vanished or killed from outside begins all again, up to three times."""
    with here.running():
        name = here.job(job(pool(), pool(), scheduling={"restartJobOnWorkerRestart": True}))
        for attempt in range(4):
            assert eventually(containers_are(engine, f"job-1-{attempt}-0-0", f"job-1-{attempt}-1-0"))
            here.until(name, "JOB_STATE_RUNNING")
            if attempt == 0:
                lose(engine, "job-1-0-1-0")
            else:
                engine.end(f"job-1-{attempt}-0-0", 137 if attempt % 2 else 143)
        row = here.until(name, *DONE)
    assert row.state == "JOB_STATE_FAILED"
    assert "Attempt 4 was the last" in row.message["error"]["message"]
    assert set(engine.starts.values()) == {1}


def test_a_replica_is_restarted_five_times(here: World, engine: FakeEngine) -> None:
    """A lost worker begins again beside the others, each run's lines kept; after five restarts the whole job does."""
    with here.running():
        name = here.job(job(pool(), pool()))
        here.until(name, "JOB_STATE_RUNNING")
        for run in range(1, 7):
            assert eventually(started(engine, "job-1-0-1-0", run))
            engine.say("job-1-0-1-0", f"run {run}")
            engine.end("job-1-0-1-0", 137)
        assert eventually(lambda: set(engine.containers) == {"job-1-1-0-0", "job-1-1-1-0"})
        engine.end("job-1-1-0-0", 0)
        row = here.until(name, *DONE)
    assert row.state == "JOB_STATE_SUCCEEDED"
    assert engine.starts == {"job-1-0-0-0": 1, "job-1-0-1-0": 6, "job-1-1-0-0": 1, "job-1-1-1-0": 1}
    assert [line.text for line in here.store.read_logs(name)] == [f"run {run}" for run in range(1, 7)]


def test_an_engine_that_can_not_restart_one(here: World, engine: FakeEngine) -> None:
    """The whole job begins again in place of one of several like replicas."""
    engine.supervises = True
    with here.running():
        name = here.job(job(pool(), pool(replicas=2)))
        here.until(name, "JOB_STATE_RUNNING")
        engine.end("job-1-0-1-1", 137)
        assert eventually(lambda: set(engine.containers) == {"job-1-1-0-0", "job-1-1-1-0", "job-1-1-1-1"})
        here.until(name, "JOB_STATE_RUNNING")


def test_cancel_between_restarts(here: World, engine: FakeEngine) -> None:
    """A job whose replica is lost while the engine is away is cancelled once it is back; nothing is started again."""
    with here.running():
        name = here.job(job())
        here.until(name, "JOB_STATE_RUNNING")
        engine.is_away = True
        engine.end(primary(engine), 137)
        here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
        assert eventually(lambda: "away" in here.store.get(name).status.get("last_error", ""))
        engine.is_away = False
        row = here.until(name, *DONE)
        assert eventually(lambda: engine.containers == {})
    assert row.state == "JOB_STATE_CANCELLED"
    assert set(engine.starts.values()) == {1}


def test_no_retries_when_disabled(here: World, engine: FakeEngine) -> None:
    """No second attempt when the job says so."""
    with here.running():
        name = here.job(job(scheduling={"disableRetries": True}))
        here.until(name, "JOB_STATE_RUNNING")
        engine.end(primary(engine), 137)
        row = here.until(name, *DONE)
    assert row.state == "JOB_STATE_FAILED"
    assert "disableRetries" in row.message["error"]["message"]
    assert sum(engine.starts.values()) == 1


@pytest.mark.parametrize("state", ["JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING"])
def test_cancel_in_each_state(here: World, engine: FakeEngine, state: str) -> None:
    """A job can be cancelled while it waits, starts and runs; nothing is left of it."""
    if state == "JOB_STATE_QUEUED":
        here = replace(
            here, platform=replace(here.platform, config=replace(here.platform.config, capacity=Capacity(0.5, 256)))
        )
        here.store.create(f"{PARENT}/endpoints/1", {}, {"reserved": {"cpu": 0.5, "memory_mib": 256, "gpus": {}}})
    engine.is_away = state == "JOB_STATE_PENDING"
    with here.running():
        name = here.job(job())
        here.until(name, state)
        assert eventually(lambda: state != "JOB_STATE_QUEUED" or "reason" in here.store.get(name).status)
        here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
        engine.is_away = False
        row = here.until(name, *DONE)
        assert eventually(lambda: engine.containers == {})
    assert (row.state, row.message["error"]["code"]) == ("JOB_STATE_CANCELLED", 1)
    assert "endTime" in row.message


def test_timeout(here: World, engine: FakeEngine) -> None:
    """A job that outlives its timeout is stopped and told so."""
    with here.running():
        name = here.job(job(scheduling={"timeout": "0.5s"}))
        row = here.until(name, *DONE)
        assert eventually(lambda: engine.containers == {})
    assert (row.state, row.message["error"]["code"]) == ("JOB_STATE_FAILED", 4)
    assert "timeout of 0.5 s" in row.message["error"]["message"]


def test_an_image_that_is_not_there(here: World, engine: FakeEngine) -> None:
    """The job fails with the engine's own words."""
    engine.missing_images.add("local/training")
    with here.running():
        row = here.until(here.job(job()), *DONE)
    assert row.state == "JOB_STATE_FAILED"
    assert "no such image" in row.message["error"]["message"]


def test_a_plan_that_has_become_impossible(here: World) -> None:
    """A job whose machine type has gone from the config fails instead of blocking the queue."""
    with here.running():
        row = here.until(here.job(job(pool("n1-standard-96"))), *DONE)
    assert row.state == "JOB_STATE_FAILED"
    assert "n1-standard-96" in row.message["error"]["message"]


def test_the_engine_goes_away_and_comes_back(here: World, engine: FakeEngine) -> None:
    """The error is noted on the row, the job stays as it is, and goes on once the engine answers."""
    engine.is_away = True
    with here.running():
        name = here.job(job())
        assert eventually(lambda: "engine is away" in here.store.get(name).status.get("last_error", ""))
        assert here.store.get(name).state == "JOB_STATE_PENDING"
        engine.is_away = False
        here.until(name, "JOB_STATE_RUNNING")


def test_one_bad_row_does_not_stop_the_others(here: World, engine: FakeEngine) -> None:
    """A row that can't be worked on notes its error; others run."""

    def run(spec: ContainerSpec) -> int | None:
        if spec.labels[contract.LABEL_RESOURCE].endswith("/1"):
            raise RuntimeError("this one is cursed")
        return 0

    engine.autorun = run
    with here.running():
        cursed = here.job(job(), 1)
        assert here.until(here.job(job(), 2), *DONE).state == "JOB_STATE_SUCCEEDED"
        assert eventually(lambda: "cursed" in here.store.get(cursed).status.get("last_error", ""))


def test_deleted_jobs_leave_no_containers(here: World, engine: FakeEngine) -> None:
    """Containers whose row is gone are removed by the sweep."""
    with here.running():
        name = here.job(job())
        here.until(name, "JOB_STATE_RUNNING")
        here.store.delete(name)
        assert eventually(lambda: engine.containers == {})


def test_gpus_are_reserved(here: World) -> None:
    """A job's GPUs count like its cores."""
    machine: Any = {"machineType": "n1-standard-2", "acceleratorType": "NVIDIA_TESLA_T4", "acceleratorCount": 2}
    with here.running():
        first = here.job(job({**pool(), "machineSpec": machine}), 1)
        here.until(first, "JOB_STATE_RUNNING")
        second = here.job(job({**pool(), "machineSpec": machine}), 2)
        assert eventually(
            lambda: "2 NVIDIA_TESLA_T4 wanted, 0 of 2 free" in here.store.get(second).status.get("reason", "")
        )
