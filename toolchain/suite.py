"""`make check`, `test`, `bench` and `chaos`: which commands they are, run one after the other with their times.

Called by __main__.py.
"""

import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from toolchain.cluster.borrowed import borrowed
from toolchain.cluster.layout import layout
from toolchain.cluster.up import check_possible
from toolchain.machine import Machine
from toolchain.shell import RealShell, ToolchainError
from toolchain.steps import Report

CHECKS = (
    ("ruff check", ".venv/bin/ruff", "check", "."),
    ("ruff format", ".venv/bin/ruff", "format", "--check", "."),
    ("mypy", ".venv/bin/mypy"),
    ("import rules", ".venv/bin/lint-imports"),
)
# Processes apart: Pulumi's messages and Google's define google.rpc.Status twice, which one process can't hold.
CONFORMANCE = "tests/conformance"
PULUMI_SIDE = (
    "tests/infra",
    "tests/policies",
    "tests/toolchain",
    "tests/integration/cluster",
    "tests/integration/plugins",
    "tests/integration/toolchain",
)
PYTEST = (".venv/bin/pytest", "--durations=15", "-q")
OTHERS = tuple(f"--ignore={path}" for path in (CONFORMANCE, *PULUMI_SIDE))
TESTS = (
    ("a real stack on every backend", *PYTEST, CONFORMANCE),
    ("tests of toolchain, infra and policies", *PYTEST, *PULUMI_SIDE),
    ("tests of workloads and clients", *PYTEST, "tests", *OTHERS),
)
NOTHING_CHOSEN = 5  # pytest: no test was collected
BENCHMARKS = ("benchmarks", ".venv/bin/python", "-m", "tests.bench")
CHAOS = ("chaos", ".venv/bin/python", "-m", "tests.chaos")


def check(machine: Machine, report: Report) -> None:
    """Everything that can be said without running anything; all of it, even after a failure.

    Raises:
        ToolchainError: something is wrong; what, was printed.
    """
    wrong = [name for name, *command in CHECKS if _run(machine, report, name, command)]
    if wrong:
        raise ToolchainError(f"not clean: {', '.join(wrong)}", "mend what is printed above, then `make check`")


def test(machine: Machine, report: Report, arguments: Sequence[str]) -> int:
    """All tests, or those that the arguments choose; returns the first exit code of pytest that is not 0.

    The cluster comes first, since several of the processes need it.
    """
    with _cluster(machine, report):
        codes = [_run(machine, report, name, [*command, *arguments]) for name, *command in TESTS]
    if arguments:  # a choice may leave nothing in one process
        codes = [code for code in codes if code != NOTHING_CHOSEN] or [NOTHING_CHOSEN]
    return next((code for code in codes if code), 0)


def _cluster(machine: Machine, report: Report) -> AbstractContextManager[object]:
    """The cluster, or nothing where this machine or user can have none: only the tests that need it fail then."""
    try:
        check_possible()
    except ToolchainError as problem:
        report(f"! {problem}")
        return nullcontext()
    return borrowed(layout(machine), RealShell(machine.logs, machine.environ), report)


def bench(machine: Machine, report: Report, stack: str) -> int:
    """The benchmarks of a stack that is up, on a machine that has nothing else to do."""
    name, *command = BENCHMARKS
    return _run(machine, report, name, [*command, "--stack", stack])


def chaos(machine: Machine, report: Report, arguments: Sequence[str]) -> int:
    """Faults at random moments, on stacks that are made for it."""
    name, *command = CHAOS
    return _run(machine, report, name, [*command, *arguments])


def _run(machine: Machine, report: Report, name: str, command: Sequence[str]) -> int:
    start = time.monotonic()
    environment = machine.pulumi_environment()
    code = subprocess.run(command, cwd=machine.root, env=environment, stdin=subprocess.DEVNULL, check=False).returncode
    report(f"{'✗' if code else '✓'} {name} ({time.monotonic() - start:.1f} s)")
    return code
