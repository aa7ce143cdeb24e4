"""100,000 predictions while versions come and go, splits change and replicas die: none fails; about 15 minutes."""

import os
import time

from google.cloud import aiplatform

from tests.chaos.connected import connected, versions
from tests.chaos.trial import Trial
from tests.conformance import serving
from tests.conformance.traffic import ALLOWED, Traffic, upheaval
from tests.support.stack import Stack

TOTAL = 100_000
ROUND = 10_000  # requests for each split, so that half a point is far more than chance


def run(trial: Trial) -> None:
    """Rounds of changes until enough have been answered."""
    with connected(trial) as (stack, _):
        _rounds(trial, stack)


def _rounds(trial: Trial, stack: Stack) -> None:
    first, second = versions(stack)
    endpoint = aiplatform.Endpoint.create(display_name=f"chaos-{os.getpid()}")
    serving.deploy(endpoint, first, "one", 100, min_replica_count=2)
    start = time.monotonic()
    with Traffic(stack, endpoint, clients=8) as traffic:
        while traffic.answers.total() < trial.count(4_000, TOTAL):
            missed = upheaval(traffic, (first, second), trial.count(1_000, ROUND), trial.random.choice)
            worst = max(missed, key=lambda split: missed[split])
            trial.report(
                f"{traffic.answers.total()} answered, {len(traffic.failed)} failed; "
                f"split missed by at most {100 * missed[worst]:.2f} points ({worst})"
            )
            assert missed[worst] <= ALLOWED, missed
    rate = traffic.answers.total() / (time.monotonic() - start)
    trial.report(f"{traffic.answers.total()} answered ({rate:.0f}/s), {len(traffic.failed)} failed")
    assert not traffic.failed, traffic.failed[:10]
    endpoint.delete(force=True)
