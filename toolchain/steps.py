"""Steps of a set-up: what is asked before, what is done, and the runner that does what is missing.

Called by __main__.py. Steps that do not need each other run at the same time: compiling, downloading and unpacking wait
for different things. A step puts its result in place in one rename at its end, so a run may be killed at any point.
"""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from toolchain.shell import ToolchainError

Report = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One thing that has to be there."""

    name: str
    done: Callable[[], str | None]  # what is there, or None; takes milliseconds
    do: Callable[[], str]  # makes it and says what was made
    needs: tuple[str, ...] = field(default=())


def run(steps: Sequence[Step], report: Report) -> None:
    """Do what is not done; one line for each.

    Raises:
        ToolchainError: the first step that failed. Steps that do not need it were still finished.
    """
    finished: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        for step in steps:
            before = [finished[name] for name in step.needs if name in finished]
            finished[step.name] = pool.submit(_after, step, before, report)
    problems = [future.exception() for future in finished.values()]
    for problem in problems:
        if problem is not None and not isinstance(problem, _NotReachedError):
            raise problem


class _NotReachedError(Exception):
    """A step was not tried, since one that it needs failed."""


def _after(step: Step, before: Sequence[Future[None]], report: Report) -> None:
    if any(future.exception() is not None for future in before):
        raise _NotReachedError(step.name)
    if step.done() is not None:
        return
    start = time.monotonic()
    try:
        made = step.do()
    except ToolchainError:
        report(f"✗ {step.name} ({_seconds(start)})")
        raise
    report(f"✓ {step.name} {made} ({_seconds(start)})")


def _seconds(start: float) -> str:
    passed = time.monotonic() - start
    return f"{passed:.1f} s"


def status(steps: Sequence[Step], report: Report) -> None:
    """Say of each step what is there."""
    for step in steps:
        found = step.done()
        report(f"✓ {step.name} {found}" if found else f"· {step.name}: not there yet")


_printing = threading.Lock()


def say(line: str) -> None:
    """Print a line whole, whichever thread says it."""
    with _printing:
        print(line, flush=True, file=sys.stdout)
