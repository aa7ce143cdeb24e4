"""Many short jobs: in order, within the capacity; and every acknowledged one ends exactly once, whatever is killed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.support.short_jobs import ShortJobs, Watch, out_of_order
from tests.support.stack import Stack
from workloads import contract

KILLED = (
    contract.CONTROLLERS_HOST,
    contract.DATABASE_HOST,
    contract.API_HOST,
    contract.OBJECT_STORE_HOST,
    contract.GATEWAY_HOST,
    contract.TRACKING_HOST,
)
BACK_S = 240


def test_a_queue_of_short_jobs(stack: Stack, vertex: Any) -> None:
    """Fifty jobs get capacity in the order in which they came, never more than there is, each ends once."""
    jobs = ShortJobs(stack, "queued")
    assert all(jobs.submit() for _ in range(50))
    with Watch(jobs) as watch:
        jobs.wait(240)
    assert watch.oversubscribed == []
    assert out_of_order(stack, jobs.acknowledged) == []
    assert jobs.wrong() == []


def test_acknowledged_jobs_outlive_kills(stack: Stack, vertex: Any) -> None:
    """Jobs are submitted while every service of the platform is killed once: each that was acknowledged ends once."""
    jobs, over = ShortJobs(stack, "killed", seconds=1.0), threading.Event()

    def submit() -> None:
        while not over.is_set():
            jobs.submit()
            time.sleep(0.7)

    with ThreadPoolExecutor(1) as pool:
        submitter = pool.submit(submit)
        try:
            for service in KILLED:
                time.sleep(1)
                stack.site.kill(stack.name, service)
                stack.wait_healthy(BACK_S)
        finally:
            over.set()
    submitter.result()
    assert len(jobs.acknowledged) > len(KILLED)
    jobs.wait(120)
    assert jobs.wrong() == []
