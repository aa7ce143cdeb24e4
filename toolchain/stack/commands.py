"""`up`, `preview` and `down` of a stack, as `make` calls them.

Called by __main__.py.
"""

import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from toolchain.lock import exclusive
from toolchain.setup import files
from toolchain.shell import ToolchainError
from toolchain.stack import leftovers
from toolchain.stack.cli import Cli, make_passphrase, stream
from toolchain.stack.progress import Progress
from toolchain.steps import Report

DEFAULT_STACK = "local"
HEALTHY_SECONDS = 180
HEALTH_PATH = "/healthz"
POLICIES = ("--policy-pack", "policies")
EXAMPLE = "workloads/examples/flights/main.py"


def up(cli: Cli, report: Report, example: bool | None) -> None:
    """Bring a stack up, wait until it is healthy, run the example, say how to connect.

    `example` None means: after a change, and whenever it has not succeeded yet.
    """
    start = time.monotonic()
    with at_work(cli, "make up"):
        cli.select()
        changed = _run(cli, report, "up", "--yes", "--skip-preview", *POLICIES)
    if changed == 0:
        report(f"✓ stack {cli.stack}: nothing to change ({time.monotonic() - start:.1f} s)")
    else:
        report(f"✓ stack {cli.stack}: {changed} resources changed ({time.monotonic() - start:.1f} s)")
    outputs = cli.outputs()
    _wait_healthy(str(outputs["apiEndpoint"]), report)
    passed = cli.machine.home / "examples" / cli.stack
    if example or (example is None and (changed or not passed.exists())):
        _run_example(cli, report)
        files.write(passed, "")
    _explain(cli, outputs, report)


def preview(cli: Cli) -> int:
    """Pulumi's own preview, in its own words."""
    cli.select()
    command = cli.command("preview", "--diff", *POLICIES, *cli.options())
    return subprocess.run(command, env=cli.machine.pulumi_environment(), check=False).returncode


def down(cli: Cli, report: Report, remove: bool, holder: leftovers.Holder | None = None) -> None:
    """Take a stack away with everything that carries its label, and look whether anything is left.

    Args:
        holder: what runs the stack; by default this machine's Docker engine.
    """
    make_passphrase(cli.machine)
    holder = holder or leftovers.Engine(cli.shell, cli.stack)
    with at_work(cli, "make down"):
        _destroy(cli, report, remove, holder)
    (cli.machine.home / "examples" / cli.stack).unlink(missing_ok=True)
    left = holder.left()
    if left:
        listed = "\n".join(f"    {thing}" for thing in left)
        raise ToolchainError(
            f"still there with the label {leftovers.LABEL_STACK}={cli.stack}:\n{listed}",
            f"Pulumi does not know them; remove them with {holder.program} if nobody needs them",
        )
    report(f"✓ no {holder.things} of stack {cli.stack} is left (images are kept)")


def at_work(cli: Cli, what: str) -> AbstractContextManager[None]:
    """Only one of these commands at a time changes a stack; Pulumi's own lock is there for plain `pulumi`.

    Raises:
        ToolchainError: another one does; the message says which, and since when.
    """
    path = cli.machine.home / "stacks" / f"{cli.stack}.lock"
    return exclusive(path, f"{what} STACK={cli.stack}", f"on stack {cli.stack}")


def _destroy(cli: Cli, report: Report, remove: bool, holder: leftovers.Holder) -> None:
    start = time.monotonic()
    made = holder.stop_made_by_controllers()
    if made:
        report(f"✓ {len(made)} things removed that the controllers had made")
    if cli.unfinished():  # what a killed run was making is in no state
        holder.remove_all()
    if cli.exists():
        changed = _run(cli, report, "destroy", "--yes", "--skip-preview")
        if remove:
            cli.ask("stack", "rm", "--yes", "--preserve-config", cli.stack)
        report(f"✓ stack {cli.stack}: {changed} resources removed ({time.monotonic() - start:.1f} s)")


def _run(cli: Cli, report: Report, *arguments: str) -> int:
    """Run a Pulumi command with its progress shown; returns how many resources changed.

    Raises:
        ToolchainError: it failed, with every error it reported.
    """
    _recover(cli, report)
    return _stream(cli, report, *arguments)


def _recover(cli: Cli, report: Report) -> None:
    """Let the state say again what is there, where a run was killed before it could.

    What was being made can be forgotten: its name is the same next time, and what has it already is taken over.
    """
    unlocked = cli.unlock()
    if unlocked:
        report(f"! {unlocked}")
    unfinished = cli.unfinished()
    if unfinished:
        report(f"! a run was killed while it worked on {', '.join(sorted(set(unfinished)))}: looking what is there")
        _stream(cli, report, "refresh", "--yes", "--skip-preview", "--clear-pending-creates")


def _stream(cli: Cli, report: Report, *arguments: str) -> int:
    progress = Progress(report, time.monotonic)
    with stream(cli, *arguments) as process:
        for line in process.stdout or ():
            progress.line(line)
    if process.returncode:
        problems = "\n".join(progress.errors) or f"pulumi {arguments[0]} ended with exit code {process.returncode}"
        raise ToolchainError(problems, f"mend it and repeat `make {'down' if arguments[0] == 'destroy' else 'up'}`")
    return progress.changed


def _wait_healthy(endpoint: str, report: Report) -> None:
    start = time.monotonic()
    while (problem := _unhealthy(endpoint)) is not None:
        if time.monotonic() - start > HEALTHY_SECONDS:
            raise ToolchainError(
                f"{endpoint}{HEALTH_PATH} is not healthy after {HEALTHY_SECONDS} s: {problem}",
                "see `docker ps` and `docker logs`, or `kubectl get pods` and `kubectl logs`, of what is not healthy",
            )
        time.sleep(0.3)
    report(f"✓ {endpoint} answers ({time.monotonic() - start:.1f} s)")


def _unhealthy(endpoint: str) -> str | None:
    try:
        with urllib.request.urlopen(f"{endpoint}{HEALTH_PATH}", timeout=5):  # noqa: S310 (http on the loopback)
            return None
    except (urllib.error.URLError, OSError) as problem:
        return str(problem)


def _run_example(cli: Cli, report: Report) -> None:
    start = time.monotonic()
    command: Sequence[str] = [
        str(cli.machine.venv / "bin" / "cairn"),
        "run",
        "--stack",
        cli.stack,
        "--",
        str(cli.machine.python),  # not the `python` of another environment that may be active
        EXAMPLE,
    ]
    report(f"· the example: {EXAMPLE}")
    code = subprocess.run(command, cwd=cli.machine.root, env=cli.machine.pulumi_environment(), check=False).returncode
    if code:
        raise ToolchainError(f"the example ended with exit code {code}", "EXAMPLE=0 leaves it out: make up EXAMPLE=0")
    report(f"✓ the example ran ({time.monotonic() - start:.1f} s)")


def _explain(cli: Cli, outputs: dict[str, Any], report: Report) -> None:
    addresses = {
        "API (Vertex AI, Cloud Storage)": outputs["apiEndpoint"],
        "MLflow": outputs.get("trackingUri"),
        "S3": outputs.get("objectStoreEndpoint"),
    }
    report("")
    for name, address in addresses.items():
        if address:
            report(f"  {name:32} {address}")
    cairn = (cli.machine.venv / "bin" / "cairn").relative_to(cli.machine.root)
    named = "" if cli.stack == DEFAULT_STACK else f" --stack {cli.stack}"
    report(f"\n  {cairn} run{named} -- python your_script.py     runs a Vertex script against this stack")
    report(f"  {cairn} status{named}     shows its services, jobs and models")
