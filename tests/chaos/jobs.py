"""100 times kill -9 of a random service of the platform while jobs are submitted; about fifteen minutes.

API, controllers, database, object store, MLflow and gateway, in any order, the next one before the last is back now and
then. Every job whose creation was acknowledged ends exactly once: it succeeds, one run of it came to its end, its one
line is kept once.
"""

import tempfile
import threading
import time
from pathlib import Path
from random import Random

from tests.chaos.trial import Trial
from tests.support.backends import SITES
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
TOGETHER = 0.3  # how often the next kill does not wait for health
BACK_S = 180.0
END_S = 600.0


def run(trial: Trial) -> None:
    """Kill, count."""
    site, kills = SITES[trial.backend](), trial.count(8, 100)
    with tempfile.TemporaryDirectory() as folder, site.open(), running_stack(site, Path(folder)) as stack:
        jobs = ShortJobs(stack, "chaos", seconds=0.5)
        refused = _killed(stack, jobs, kills, trial)
        jobs.wait(END_S)
        wrong = jobs.wrong()
    assert wrong == [], wrong
    trial.report(
        f"{kills} kills: {len(jobs.acknowledged)} acknowledged jobs, each ended exactly once; "
        f"{refused} submissions were not acknowledged while something was down"
    )


def _killed(stack: Stack, jobs: ShortJobs, kills: int, trial: Trial) -> int:
    """How many submissions were refused meanwhile."""
    over, refused = threading.Event(), [0]
    pauses = Random(trial.random.random())  # noqa: S311 (repeatable, not secret; of the submitter alone)

    def submit() -> None:
        while not over.wait(pauses.uniform(0.2, 1.5)):
            refused[0] += not jobs.submit()

    submitter = threading.Thread(target=submit)
    submitter.start()
    try:
        for number in range(1, kills + 1):
            time.sleep(trial.random.uniform(0, 4))
            service = trial.random.choice(SERVICES)
            stack.site.kill(stack.name, service)
            waits = number == kills or trial.random.random() > TOGETHER
            if waits:
                stack.wait_healthy(BACK_S)
            trial.report(
                f"  {number:3} {service} killed{'' if waits else ', not waited for'}; {len(jobs.acknowledged)} jobs"
            )
    finally:
        over.set()
        submitter.join()
    return refused[0]
