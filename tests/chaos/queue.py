"""A thousand short jobs wait at once: in order, never more at once than there is room for; about ten minutes.

Meanwhile a `get` of a job is timed, and what is reserved is looked at every second.
"""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.chaos.trial import Trial
from tests.support.backends import SITES
from tests.support.short_jobs import ShortJobs, Watch, out_of_order
from tests.support.stack import running_stack

END_S: Final = 3600.0
SLOWEST_GET_S: Final = 0.05


def run(trial: Trial) -> None:
    """Submit all, wait, count."""
    site, count = SITES[trial.backend](), trial.count(100, 1000)
    with tempfile.TemporaryDirectory() as folder, site.open(), running_stack(site, Path(folder)) as stack:
        jobs, began = ShortJobs(stack, "queue"), time.monotonic()
        assert jobs.submit()
        with Watch(jobs) as watch:
            assert all(jobs.submit() for _ in range(count - 1))
            trial.report(f"  {count} jobs accepted in {time.monotonic() - began:.1f} s")
            jobs.wait(END_S)
        seconds = time.monotonic() - began
        late, wrong = out_of_order(stack, jobs.acknowledged), jobs.wrong()
    trial.report(
        f"{count} jobs in {seconds:.0f} s, {count / seconds:.1f} a second; get: median "
        f"{statistics.median(watch.gets) * 1e3:.1f} ms, p99 {watch.p99 * 1e3:.1f} ms (n = {len(watch.gets)}); "
        f"at most {max(used[0] for used in watch.used):g} of {watch.capacity[0]:g} cores reserved, "
        f"n = {len(watch.used)} looks"
    )
    assert watch.oversubscribed == [], watch.oversubscribed
    assert late == [], f"before their turn: {late}"
    assert wrong == [], wrong
    assert watch.p99 < SLOWEST_GET_S, f"a get took {watch.p99 * 1e3:.1f} ms at p99"
