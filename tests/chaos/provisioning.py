"""200 times kill -9 of up, refresh and destroy at random moments on a stack of 30 resources; about an hour.

The processes that die are Pulumi alone, or Pulumi with the language host, program and plugins. The next `make up`
converges unattended: everything declared is there and runs, nothing else carries the stack's label, and the state has
no operation left open. Now and then two or three runs are killed before one may end.
"""

import statistics
import tempfile
from pathlib import Path

from tests.chaos.trial import Trial
from tests.support.checkout import healthy_server
from tests.support.killing import killed_rounds
from tests.support.thirty import RESOURCES, Thirty


def run(trial: Trial) -> None:
    """Kill, converge, look; at the end everything goes."""
    with tempfile.TemporaryDirectory() as folder, healthy_server() as port:
        stack = Thirty.make(Path(folder), port, trial.random)
        try:
            seconds = killed_rounds(stack, trial.count(6, 200), trial.report)
        finally:
            stack.down()
    trial.report(
        f"{trial.count(6, 200)} kills on {RESOURCES} resources: {len(seconds)} runs of up converged alone, "
        f"median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s; no orphan"
    )
