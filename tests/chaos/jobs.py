"""100 times kill -9 of a random service of the platform while jobs are submitted; about twenty minutes.

API, controllers, database, object store, MLflow and gateway, in any order, the next one before the last is back now and
then. Ten of the faults are restarts of the machine's container engine itself, half of them by kill -9: services come
back by themselves, and jobs that ended with it are run again. Every job whose creation was acknowledged ends exactly
once: it succeeds, one run of it came to its end, its one line is kept once. Only a run that came to its end while a
killed engine was away, which nobody saw, may be followed by another.

The engine is restarted only where nobody else's containers run on it; `--engine anyway` and `--engine never` say else.
"""

import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Final

from tests.chaos.trial import ALONE, NEVER, Trial
from tests.support.backends import SITES
from tests.support.backends.base import Site
from tests.support.short_jobs import ShortJobs
from tests.support.stack import Stack, running_stack
from workloads import contract

SERVICES = (
    contract.API_HOST,
    contract.CONTROLLERS_HOST,
    contract.DATABASE_HOST,
    contract.OBJECT_STORE_HOST,
    contract.TRACKING_HOST,
    contract.GATEWAY_HOST,
)
RESTART, KILL = "engine, orderly", "engine, kill -9"
TOGETHER = 0.3  # how often the next kill does not wait for health
SECONDS: Final = (0.5, 0.5, 0.5, 6.0)  # how long jobs take: some so long that the engine's end is theirs
BACK_S = 180.0
END_S = 600.0


def run(trial: Trial) -> None:
    """Kill, count."""
    site, faults = SITES[trial.backend](), _faults(trial)
    with tempfile.TemporaryDirectory() as folder, site.open():
        if RESTART in faults:
            count = faults.count(RESTART) + faults.count(KILL)
            trial.report(f"  restarts what runs this machine's containers ({site.name}) {count} times")
            _check_alone(site, "", trial)
        with running_stack(site, Path(folder)) as stack:
            jobs = ShortJobs(stack, "chaos")
            carried_out = _Faults(stack, jobs, trial)
            refused = carried_out.all(faults)
            jobs.wait(END_S)
            wrong = jobs.wrong(carried_out.outages)
            assert wrong == [], wrong
            trial.report(
                f"{len(faults)} faults: {len(jobs.acknowledged)} acknowledged jobs, each ended exactly once; "
                f"{refused} submissions were not acknowledged while something was down"
            )
            if carried_out.outages:  # 20.10 may count endpoints that went with it until its next start
                site.restart_engine(orderly=True)
                stack.wait_healthy(BACK_S)


def _faults(trial: Trial) -> list[str]:
    """What is killed, in this order; the engine's restarts are of both kinds, and anywhere among the others."""
    count = trial.count(8, 100)
    engine = [] if trial.engine == NEVER else [RESTART, KILL] * trial.count(1, 5)
    faults = [trial.random.choice(SERVICES) for _ in range(count - len(engine))] + engine
    trial.random.shuffle(faults)
    return faults


def _check_alone(site: Site, stack: str, trial: Trial) -> None:
    """Whose containers run is nobody's but the stack's, or it doesn't matter."""
    others = site.strangers(stack) if trial.engine == ALONE else []
    assert others == [], (
        f"this theme restarts the machine's container engine, on which others run: {', '.join(others)}; stop them, or "
        "say --engine never to leave the restarts out, --engine anyway to end them too"
    )


class _Faults:
    """Faults while jobs are submitted.

    Attributes:
        outages: from when to when the engine was away after a kill -9, by this machine's clock.
    """

    def __init__(self, stack: Stack, jobs: ShortJobs, trial: Trial) -> None:
        self._stack, self._jobs, self._trial = stack, jobs, trial
        self.outages: list[tuple[float, float]] = []

    def all(self, faults: Sequence[str]) -> int:
        """How many submissions were refused meanwhile."""
        over, refused = threading.Event(), [0]
        chance = Random(self._trial.random.random())  # noqa: S311 (repeatable, not secret; of the submitter alone)

        def submit() -> None:
            while not over.wait(chance.uniform(0.2, 1.5)):
                refused[0] += not self._jobs.submit(chance.choice(SECONDS))

        submitter = threading.Thread(target=submit)
        submitter.start()
        try:
            for number, fault in enumerate(faults, start=1):
                time.sleep(self._trial.random.uniform(0, 4))
                self._one(number, fault, is_last=number == len(faults))
        finally:
            over.set()
            submitter.join()
        return refused[0]

    def _one(self, number: int, fault: str, *, is_last: bool) -> None:
        began = time.monotonic()
        if fault in SERVICES:
            self._stack.site.kill(self._stack.name, fault)
        else:
            self._end_engine(fault)
        waits = is_last or fault not in SERVICES or self._trial.random.random() > TOGETHER
        if waits:
            self._stack.wait_healthy(BACK_S)
        after = f"healthy after {time.monotonic() - began:.1f} s" if waits else "not waited for"
        self._trial.report(f"  {number:3} {fault} killed, {after}; {len(self._jobs.acknowledged)} jobs")

    def _end_engine(self, fault: str) -> None:
        _check_alone(self._stack.site, self._stack.name, self._trial)
        began = time.time()
        self._stack.site.restart_engine(orderly=fault == RESTART)
        if fault == KILL:
            self.outages.append((began, time.time()))
