"""Batch predictions while what carries them is killed by kill -9 at random moments; about twenty minutes.

Two jobs at once, one whose servers take whole parts and one whose driver asks them: their drivers and model servers as
often as Vertex retries a job, services of the platform all the while. Each job succeeds, each row is in the output
once, the bad ones in the errors files, and no part whose completion was noted has been done again.
"""

import re
import time
from collections import Counter
from typing import Final

from google.cloud import storage

from tests.chaos.connected import connected
from tests.chaos.jobs import BACK_S, SERVICES
from tests.chaos.trial import Trial
from tests.support.batch_jobs import BatchJob, models
from tests.support.stack import Stack
from workloads.controllers.retries import RETRIES

DRIVER: Final = re.compile(r"-0-0(-[a-z0-9]{5})?$")  # pool and index, and what a pod's name ends in
END_S: Final = 600.0
LOOK_S: Final = 0.5
PAUSE_S: Final = 6.0  # between kills, at most
OF_A_JOB: Final = 0.6  # how often it is a job's container that is killed, rather than a service


def run(trial: Trial) -> None:
    """Rounds of two jobs."""
    with connected(trial) as (stack, _):
        bucket = storage.Client().bucket(stack.staging_bucket)
        asked = models(bucket)
        for number in range(1, trial.count(1, 6) + 1):
            jobs = [BatchJob(stack, f"batch{number}-{how}") for how in asked]
            for job, model in zip(jobs, asked.values(), strict=True):
                job.submit(bucket, model)
            kills = _Kills(stack, trial, jobs)
            kills.until_ended()
            stack.wait_healthy(BACK_S)
            wrong = [text for job in jobs for text in job.wrong(bucket)]
            trial.report(f"round {number}: {kills.told()}; {sum(len(job.notes) for job in jobs)} parts seen finished")
            assert wrong == [], wrong


class _Kills:
    """Those of one round."""

    def __init__(self, stack: Stack, trial: Trial, jobs: list[BatchJob]) -> None:
        self._stack, self._trial, self._jobs = stack, trial, jobs
        self._left = {job.name: RETRIES for job in jobs}
        self._killed: Counter[str] = Counter()
        self._looks: Counter[bool] = Counter()

    def told(self) -> str:
        """What was killed how often, and how many looks there were."""
        kills = ", ".join(f"{what} {count}" for what, count in sorted(self._killed.items()))
        return f"{self._killed.total()} kills ({kills}), {self._looks[True]} looks, {self._looks[False]} in vain"

    def until_ended(self) -> None:
        """Kill something now and then, and look at the notes in between."""
        deadline, chance = time.monotonic() + END_S, self._trial.random
        next_kill, open_ = time.monotonic(), [*self._jobs]
        while open_:
            assert time.monotonic() < deadline, f"not ended: {[job.message() for job in open_]}"
            for job in open_:
                self._look(job)
            if time.monotonic() >= next_kill:
                self._kill(open_)
                next_kill = time.monotonic() + chance.uniform(0, PAUSE_S)
            time.sleep(LOOK_S)
            open_ = [job for job in open_ if "endTime" not in job.message()]

    def _look(self, job: BatchJob) -> None:
        try:
            job.look()
        except Exception:  # noqa: BLE001  the object store was just killed, in whatever words its place says so
            self._looks[False] += 1
        else:
            self._looks[True] += 1

    def _kill(self, open_: list[BatchJob]) -> None:
        chance, site = self._trial.random, self._stack.site
        job = chance.choice(open_)
        containers = site.containers(self._stack.name, job.name) if self._left[job.name] else []
        if containers and chance.random() < OF_A_JOB:
            if site.kill_container(self._stack.name, victim := chance.choice(sorted(containers))):
                self._left[job.name] -= 1
                self._note("driver" if DRIVER.search(victim) else "server", victim)
        else:
            service = chance.choice(SERVICES)
            site.kill(self._stack.name, service)
            self._note(service, service)

    def _note(self, kind: str, victim: str) -> None:
        self._killed[kind] += 1
        states = ", ".join(str(job.message().get("state", "no answer")) for job in self._jobs)
        parts = ", ".join(str(len(job.notes)) for job in self._jobs)
        self._trial.report(f"  {victim} killed; {states}; parts finished: {parts}")
