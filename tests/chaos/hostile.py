"""Hostile messages over every served method of a real stack: 300, or 20,000 at full length; about 20 minutes."""

import tempfile
import time
from pathlib import Path

from tests.chaos.trial import Trial
from tests.support.backends import SITES
from tests.support.hostile import bombard
from tests.support.stack import running_stack

ROUNDS = 20


def run(trial: Trial) -> None:
    """Other messages for each seed; the services are healthy at the end, and none has ended."""
    each = trial.count(15, 1000)
    site = SITES[trial.backend]()
    with site.open(), tempfile.TemporaryDirectory() as folder, running_stack(site, Path(folder)) as stack:
        for number in range(ROUNDS):
            start = time.monotonic()
            statuses = bombard(stack, each, trial.random.randrange(2**32))
            counts = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
            trial.report(f"round {number + 1} of {ROUNDS}: {counts} ({time.monotonic() - start:.0f} s)")
            stack.wait_healthy()
