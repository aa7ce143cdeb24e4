"""The queue: first come, first served, as far as capacity reaches, with a reason for those that wait."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.support.controllers import World, eventually, job, pool
from tests.support.fake_engine import FakeEngine
from workloads import contract
from workloads.controllers.batch_prediction_jobs import BatchPredictionJobs
from workloads.controllers.custom_jobs import CustomJobs
from workloads.controllers.jobs import ACTIVE, HOLDING, JobKind
from workloads.controllers.platform import Platform, utc_now
from workloads.controllers.queue import PAGE, Queue
from workloads.plans.container import ContainerSpec
from workloads.registry import Unavailable
from workloads.store import Json, Resource

BIG = "n1-standard-8"


def queue(here: World) -> Queue:
    """A queue of custom jobs."""
    return Queue(here.platform, [CustomJobs(here.platform)])


def test_strictly_first_come_first_served(here: World) -> None:
    """A big job at the head is not overtaken by small ones that would fit; it is told why it waits."""
    names = [here.job(job(pool(machine)), n) for n, machine in enumerate(["n1-standard-4", BIG, "n1-standard-2"])]
    queue(here).admit()
    rows = [here.store.get(name) for name in names]
    assert [row.state for row in rows] == ["JOB_STATE_PENDING", "JOB_STATE_QUEUED", "JOB_STATE_QUEUED"]
    assert rows[1].status["reason"] == "2 CPU wanted, 1 of 2 free"
    assert rows[2].status == {}, "nobody had to look at it"


def test_an_unchanged_queue_writes_nothing(here: World) -> None:
    """Looking at a full queue again and again wakes nobody."""
    names = [here.job(job(pool(BIG)), n) for n in range(3)]
    queue(here).admit()
    assert here.store.wait(0.01) == set(), "listens from here on"
    queue(here).admit()
    assert here.store.wait(0.2) == set()
    here.store.update(names[2], lambda _, status: status.update(reason="another"))
    queue(here).admit()
    assert here.store.wait(1) == {names[2]}, "and it would have been heard"


def test_a_cancelled_job_is_not_claimed(here: World) -> None:
    """A cancel between reading and claiming wins."""
    name = here.job(job())
    waiting = here.store.get(name)
    here.store.update(name, lambda message, _: message.update(state="JOB_STATE_CANCELLING"))
    one = queue(here)
    one._claim(waiting, *one._wanted(waiting))
    assert here.store.get(name).state == "JOB_STATE_CANCELLING"
    assert "reserved" not in here.store.get(name).status


def test_flex_start_waits_no_longer_than_asked(here: World) -> None:
    """A maxWaitDuration ends a FLEX_START job that gets no room; 0 and other strategies wait for ever."""
    here.job(job(pool(BIG)), 1)
    flex: Json = {"strategy": "FLEX_START", "maxWaitDuration": "60s"}
    ended = here.job(job(pool(BIG), scheduling=flex), 2)
    patient = here.job(job(pool(BIG), scheduling={**flex, "maxWaitDuration": "0s"}), 3)
    plain = here.job(job(pool(BIG), scheduling={"maxWaitDuration": "60s"}), 4)
    queue(here).admit()
    later = Queue(_later(here), [CustomJobs(here.platform)])
    later.expire()
    assert here.store.get(ended).status["outcome"]["error"]["code"] == 4
    assert "outcome" not in here.store.get(patient).status
    assert "outcome" not in here.store.get(plain).status


def _later(here: World) -> Platform:
    return replace(here.platform, now=lambda: utc_now() + timedelta(minutes=5))


def test_a_full_machine_frees_itself(here: World, engine: FakeEngine) -> None:
    """The next job starts by itself when the one before ends."""
    engine.autorun = lambda spec: None
    with here.running():
        first, second = here.job(job(pool(BIG)), 1), here.job(job(pool(BIG)), 2)
        here.until(first, "JOB_STATE_RUNNING")
        assert eventually(lambda: "2 CPU wanted, 0 of 2 free" in here.store.get(second).status.get("reason", ""))
        engine.end("job-1-0-0-0", 0)
        row = here.until(second, "JOB_STATE_RUNNING")
        assert "reason" not in row.status


def test_a_job_that_can_not_be_looked_at_holds_up_nobody(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry is away: its batch job says so and waits; the job behind it starts; later it does too."""
    kinds: list[JobKind] = [CustomJobs(here.platform), BatchPredictionJobs(here.platform)]
    model = here.models.add("m")
    message = {"displayName": "b", "state": "JOB_STATE_QUEUED", "model": model}
    batch = here.job(message, 1, "batchPredictionJobs")
    behind = here.job(job(), 2)

    def away(name: str) -> Json:
        raise Unavailable("MLflow sleeps")

    with monkeypatch.context() as patch:
        patch.setattr(here.models, "get", away)
        Queue(here.platform, kinds).admit()
    assert "MLflow sleeps" in here.store.get(batch).status["reason"]
    assert here.store.get(behind).state == "JOB_STATE_PENDING"
    Queue(here.platform, kinds).admit()
    assert here.store.get(batch).state == "JOB_STATE_PENDING"
    assert here.store.get(batch).status["price_per_hour"] == 0.1


def test_what_waits_for_a_deployed_model_holds_up_nobody(here: World) -> None:
    """A job that has no room beside the deployed models alone waits, and smaller ones behind it start meanwhile."""
    status: Json = {"reserved": {"cpu": 1.0, "memory_mib": 1024, "gpus": {}}}
    here.store.create(f"{here.platform.config.parent}/endpoints/1", {"displayName": "serves"}, status)
    big, small = here.job(job(pool(BIG)), 1), here.job(job(pool("n1-standard-2")), 2)
    queue(here).admit()
    assert here.store.get(big).message["state"] == "JOB_STATE_QUEUED"
    assert "CPU wanted" in here.store.get(big).status["reason"]
    assert here.store.get(small).message["state"] == "JOB_STATE_PENDING"


def test_a_long_queue_is_read_no_further_than_it_moves(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand jobs waiting a turn reads one page of them and writes to the first that has no room."""
    for number in range(1000):
        here.job(job(pool(BIG)), number)
    one = queue(here)
    one.admit()
    pages, oldest = [], here.store.oldest

    def counted(*args: Any) -> list[Resource]:
        pages.append(oldest(*args))
        return pages[-1]

    monkeypatch.setattr(here.store, "oldest", counted)
    monkeypatch.setattr(here.store, "update", lambda *_: pytest.fail("nothing has changed"))
    one.admit()
    assert [len(page) for page in pages] == [PAGE]


def test_hundreds_of_short_jobs(here: World, engine: FakeEngine) -> None:
    """They start in the order in which they came, all end, and what runs at once never exceeds the capacity."""
    started: list[str] = []
    held: list[int] = []

    def run(spec: ContainerSpec) -> int:
        started.append(spec.labels[contract.LABEL_RESOURCE])
        held.append(sum(each.state.phase == "running" for each in engine.containers.values()))
        return 0

    engine.autorun = run
    with here.running():
        names = [
            here.job(job(pool("n1-standard-8" if number % 10 == 0 else "n1-standard-2")), number)
            for number in range(200)
        ]
        over: list[float] = []
        while any(here.store.list("customJobs", states=ACTIVE)):
            rows = here.store.list("customJobs", states=HOLDING)
            over.append(sum(row.status.get("reserved", {}).get("cpu", 0.0) for row in rows))
    claimed = sorted(names, key=lambda name: here.store.get(name).status["claimed_at"])
    assert claimed == names, "first come, first served"
    assert sorted(started) == sorted(names), "each once"
    assert max(over) <= 2
    assert max(held) <= 4
