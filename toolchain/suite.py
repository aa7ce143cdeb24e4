"""`make check`, `test`, `bench` and `chaos`: which commands they are, with their times.

Called by __main__.py.
"""

import re
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

from toolchain.cluster.borrowed import borrowed
from toolchain.cluster.layout import layout
from toolchain.cluster.up import check_possible
from toolchain.machine import Machine
from toolchain.shell import RealShell, ToolchainError
from toolchain.steps import Report

Tests = tuple[str, ...]  # a name, and the command
CHECKS = (
    ("ruff check", ".venv/bin/ruff", "check", "."),
    ("ruff format", ".venv/bin/ruff", "format", "--check", "."),
    ("mypy", ".venv/bin/mypy"),
    ("import rules", ".venv/bin/lint-imports"),
)
CONFORMANCE = "tests/conformance"
CONTROLLERS = "tests/integration/controllers"
PROGRAMS = "tests/workloads"
ON_THE_CLUSTER = ("tests/integration/cluster", "tests/integration/plugins")
PULUMI_SIDE = ("tests/infra", "tests/policies", "tests/toolchain", "tests/integration/toolchain")
PYTEST = (".venv/bin/pytest", "--durations=25", "-v")
REST = tuple(f"--ignore={path}" for path in (CONFORMANCE, CONTROLLERS, PROGRAMS, *ON_THE_CLUSTER, *PULUMI_SIDE))
# Two lanes at a time, since tests of real things mostly wait. What uses the cluster is in one of them: some of it kills
# the cluster's parts. Processes apart: Pulumi's messages and Google's define google.rpc.Status twice, which one process
# can't hold.
LANES = (
    (("a real stack on Docker", *PYTEST, CONFORMANCE, "--backend=docker"),),
    (
        ("a real stack on Kubernetes", *PYTEST, CONFORMANCE, "--backend=kubernetes"),
        ("cluster and plugins", *PYTEST, *ON_THE_CLUSTER),
        ("controllers on real engines", *PYTEST, CONTROLLERS),
    ),
)
# For whichever lane is done with its own.
SHARED = (
    ("toolchain, infra and policies", *PYTEST, *PULUMI_SIDE),
    ("workloads", *PYTEST, PROGRAMS),
    ("images, services and clients", *PYTEST, "tests", *REST),
)
NOTHING_CHOSEN = 5  # pytest: no test was collected
PROGRESS = re.compile(
    r" (?P<verdict>PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b.*\[ *(?P<percent>\d+)%\]$"
)  # of a line of `pytest -v`
WRONG = ("FAILED", "ERROR")
SAID_EVERY_PERCENT = 10
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
    shared = deque(SHARED)
    with _cluster(machine, report), ThreadPoolExecutor(len(LANES)) as pool:
        lanes = pool.map(lambda own: [_pytest(machine, report, each, arguments) for each in _lane(own, shared)], LANES)
        codes = [code for lane in lanes for code in lane]
    if arguments:  # a choice may leave nothing in one process
        codes = [code for code in codes if code != NOTHING_CHOSEN] or [NOTHING_CHOSEN]
    return next((code for code in codes if code), 0)


def _lane(own: Iterable[Tests], shared: deque[Tests]) -> Iterator[Tests]:
    """A lane's own tests, then of the shared ones those that no other lane has begun."""
    yield from own
    while True:
        try:
            yield shared.popleft()
        except IndexError:
            return


def _pytest(machine: Machine, report: Report, tests: Tests, arguments: Sequence[str]) -> int:
    """One process of tests; how far it is and what failed is said at once, its whole account at the end."""
    name, *command = tests
    start, said, account = time.monotonic(), 0, list[str]()
    with subprocess.Popen(
        [*command, *arguments],
        cwd=machine.root,
        env={**machine.pulumi_environment(), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stdout or ():
            found = PROGRESS.search(line)
            if not found:
                account.append(line)
                continue
            if found["verdict"] in WRONG:
                report(f"✗ {name}: {line.split()[0]}")
            if int(found["percent"]) >= said + SAID_EVERY_PERCENT:
                said = int(found["percent"])
                report(f"· {name}: {said} % ({time.monotonic() - start:.0f} s)")
    report("".join(account))
    mark = {0: "✓", NOTHING_CHOSEN: "·"}.get(process.returncode, "✗")
    report(f"{mark} {name} ({time.monotonic() - start:.1f} s)")
    return process.returncode


def _cluster(machine: Machine, report: Report) -> AbstractContextManager[object]:
    """The cluster, or nothing where this machine or user can have none: only the tests that need it fail then."""
    try:
        check_possible()
    except ToolchainError as problem:
        report(f"! {problem}")
        return nullcontext()
    return borrowed(layout(machine), RealShell(machine.logs, machine.environ), report)


def bench(machine: Machine, report: Report, arguments: Sequence[str]) -> int:
    """The benchmarks of a stack that is up, on a machine that has nothing else to do."""
    name, *command = BENCHMARKS
    return _run(machine, report, name, [*command, *arguments])


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
