"""The command line behind the Makefile: `python3 -m toolchain <command>`; `make help` lists the commands."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (said before anything is imported that an older Python cannot even read)
    sys.exit(
        "Cairn needs Python 3.11, 3.12 or 3.13; this is " + sys.version.split()[0] + " (" + sys.executable + ")\n"
        "  → name a newer one: make PYTHON=python3.11 …"
    )

import argparse
import os
import shlex
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from toolchain import suite
from toolchain.cluster import commands as cluster_commands
from toolchain.cluster.choice import Own
from toolchain.lock import exclusive
from toolchain.machine import Machine
from toolchain.setup import all_steps, compose, kubernetes, steps_for_cluster, steps_for_tests, virtualenv
from toolchain.setup.virtualenv import check_python
from toolchain.shell import RealShell, ToolchainError
from toolchain.stack import cis, commands
from toolchain.stack import cluster as stack_cluster
from toolchain.stack.cli import Cli, make_passphrase
from toolchain.stack.cluster import StackCluster
from toolchain.stack.config import mentions_kubernetes
from toolchain.steps import Step, run, say, status


def main(arguments: list[str]) -> int:
    """Do what the command line says; returns the exit code."""
    options, rest = _parser().parse_known_args(arguments)
    options.rest = rest
    if options.rest and options.command not in PASSED_ON:
        _parser().error(f"what is {options.rest[0]}?")
    machine = Machine(Path(__file__).resolve().parents[1], dict(os.environ))
    try:
        return COMMANDS[options.command](options, machine)
    except ToolchainError as problem:
        print(f"\n✗ {problem}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\n✗ interrupted; repeat the command to go on from here", file=sys.stderr, flush=True)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m toolchain", description="Set a machine up for Cairn, run its stacks."
    )
    commands_of = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        one = commands_of.add_parser(name, help=function.__doc__, add_help=name not in PASSED_ON)
        if name in ("up", "preview", "down", "bench", "cis"):
            one.add_argument("--stack", default="local")
        if name == "up":
            one.add_argument("--example", choices=("auto", "0", "1"), default="auto", help="0: never, 1: always")
        if name == "down":
            one.add_argument("--remove", action="store_true", help="forget the stack's history too")
        if name == "cluster":
            cluster_commands.arguments(one)
    return parser


def _shell(machine: Machine) -> RealShell:
    return RealShell(machine.logs, machine.environ)


def _cli(options: argparse.Namespace, machine: Machine) -> Cli:
    return Cli(machine, _shell(machine), options.stack)


def setup(options: argparse.Namespace, machine: Machine) -> int:
    """Do what is missing; says so when nothing is."""
    wanted = steps_for_tests if options.command == "test" else all_steps
    _set_up(options, machine, wanted(machine, _shell(machine)))
    return 0


def _set_up(options: argparse.Namespace, machine: Machine, steps: list[Step]) -> None:
    check_python()
    start = time.monotonic()
    with exclusive(machine.home / "lock", f"make {options.command}"):
        run(steps, say)
        make_passphrase(machine)
    say(f"✓ set up ({time.monotonic() - start:.1f} s)")


def _set_up_with_cluster(
    options: argparse.Namespace, machine: Machine, more: Sequence[Step] = ()
) -> StackCluster | None:
    """Set up what the stack needs, and more; returns its cluster, if it is on one."""
    shell = _shell(machine)
    if mentions_kubernetes(_cli(options, machine).file):  # to read more of it takes the environment
        run([virtualenv.step(machine, shell)], say)
    found = stack_cluster.of(machine, shell, options.stack)
    steps = [*all_steps(machine, shell), *more]
    if found and isinstance(found.choice, Own):
        steps += kubernetes.steps(machine, shell)
    _set_up(options, machine, steps)
    return found


def show_status(options: argparse.Namespace, machine: Machine) -> int:
    """What is there and what is not."""
    status(all_steps(machine, _shell(machine)), say)
    return 0


def up(options: argparse.Namespace, machine: Machine) -> int:
    """Set-up, cluster where the stack needs one, stack, example."""
    found = _set_up_with_cluster(options, machine)
    if found:
        found.up(say)
        machine = found.machine_with_kubeconfig()
    commands.up(_cli(options, machine), say, {"auto": None, "0": False, "1": True}[options.example])
    return 0


def preview(options: argparse.Namespace, machine: Machine) -> int:
    """What `up` would change."""
    found = _set_up_with_cluster(options, machine)
    if found:
        found.up(say)
        machine = found.machine_with_kubeconfig()
    return commands.preview(_cli(options, machine))


def down(options: argparse.Namespace, machine: Machine) -> int:
    """Take the stack away, and the project's own cluster with its last stack."""
    found = _set_up_with_cluster(options, machine)
    if found is None:
        commands.down(_cli(options, machine), say, options.remove)
    elif found.there() or _cli(options, machine).resources():
        found.up(say)
        commands.down(_cli(options, found.machine_with_kubeconfig()), say, options.remove, found)
        found.down(say)
    else:
        say(f"✓ nothing of stack {options.stack} is there, and no cluster")
    return 0


def cluster(options: argparse.Namespace, machine: Machine) -> int:
    """The project's own Kubernetes: up, down, status, import IMAGE."""
    shell = _shell(machine)
    if options.action == "up":
        check_python()
        with exclusive(machine.home / "lock", "cluster up"):
            run(steps_for_cluster(machine, shell), say)
    return cluster_commands.run(options, machine, shell, say)


def check(options: argparse.Namespace, machine: Machine) -> int:
    """Lint, types, import rules."""
    setup(options, machine)
    suite.check(machine, say)
    return 0


def test(options: argparse.Namespace, machine: Machine) -> int:
    """Check, then every test; both are run, and either fails the command."""
    setup(options, machine)
    wrong: ToolchainError | None = None
    try:
        suite.check(machine, say)
    except ToolchainError as problem:
        wrong = problem
    code = suite.test(machine, say, options.rest)
    if wrong:
        raise wrong
    return code


def bench(options: argparse.Namespace, machine: Machine) -> int:
    """Benchmarks of a stack that is up, beside peers that the set-up brings."""
    found = _set_up_with_cluster(options, machine, [compose.step(machine, _shell(machine))])
    machine = found.machine_with_kubeconfig() if found else machine
    return suite.bench(machine, say, ["--stack", options.stack, *options.rest])


def chaos(options: argparse.Namespace, machine: Machine) -> int:
    """Faults at random moments, on stacks that are made for it."""
    _set_up(options, machine, all_steps(machine, _shell(machine)))
    return suite.chaos(machine, say, options.rest)


def check_cis(options: argparse.Namespace, machine: Machine) -> int:
    """The CIS Docker Benchmark's container section, on a running stack."""
    return cis.show(_shell(machine), options.stack, say)


def env(options: argparse.Namespace, machine: Machine) -> int:
    """Exports with which plain `pulumi` works here."""
    for name, value in machine.pulumi_variables().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def pulumi(options: argparse.Namespace, machine: Machine) -> int:
    """Plain Pulumi in that environment."""
    if not machine.pulumi.exists():
        raise ToolchainError("Pulumi is not set up in this checkout", "make setup")
    make_passphrase(machine)
    os.execve(machine.pulumi, ["pulumi", "--cwd", str(machine.root), *options.rest], machine.pulumi_environment())  # noqa: S606 (no shell on purpose)


def clean(options: argparse.Namespace, machine: Machine) -> int:
    """Remove what the set-up made; states and the passphrase that opens them stay."""
    with exclusive(machine.home / "lock", "make clean"):
        for folder in (machine.venv, machine.tools, machine.logs, machine.home / "pulumi"):
            shutil.rmtree(folder, ignore_errors=True)
    say(f"✓ cleaned; stack states and their passphrase stay in {machine.home} (`make down` removes what they describe)")
    return 0


COMMANDS = {
    "setup": setup,
    "status": show_status,
    "up": up,
    "preview": preview,
    "down": down,
    "cluster": cluster,
    "check": check,
    "test": test,
    "bench": bench,
    "chaos": chaos,
    "cis": check_cis,
    "env": env,
    "pulumi": pulumi,
    "clean": clean,
}

PASSED_ON = ("test", "bench", "chaos", "pulumi")  # what follows is for pytest, tests.bench, tests.chaos or Pulumi

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
