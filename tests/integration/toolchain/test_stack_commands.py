"""`make up`, `down` and plain Pulumi on a checkout of their own, with the real CLI: a small program, no containers."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.checkout import healthy_server, make_checkout
from tests.support.environment import ROOT
from toolchain.shell import ToolchainError
from toolchain.stack import commands
from toolchain.stack.cli import Cli, stream

CONFIG = "# prices\nconfig:\n  cairn:price: 0.0950\n"
PROGRAM = """
import pulumi
thing = pulumi.ComponentResource("test:index:Thing", pulumi.Config("cairn").require("price"))
thing.register_outputs({})
pulumi.export("apiEndpoint", "http://127.0.0.1:{port}")
pulumi.export("password", pulumi.Output.secret("geheim"))
"""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """A checkout with this one's tools, and a server that is healthy."""
    with healthy_server() as port:
        yield make_checkout(tmp_path, "unit", PROGRAM.replace("{port}", str(port)), CONFIG)


def _config(cli: Cli) -> str:
    return cli.file.read_text()


def test_up_twice_then_down_twice(cli: Cli) -> None:
    """The second `up` says that nothing changed, the second `down` is content; the committed config stays."""
    lines: list[str] = []
    commands.up(cli, lines.append, example=False)
    assert any("2 resources changed" in line for line in lines), lines
    assert any("Thing 0.0950 created" in line or "Thing 0.095 created" in line for line in lines), lines
    assert _config(cli) == CONFIG
    lines.clear()
    commands.up(cli, lines.append, example=False)
    assert any("nothing to change" in line for line in lines), lines
    commands.down(cli, lines.append, remove=False)
    assert cli.exists()
    commands.down(cli, lines.append, remove=True)
    assert not cli.exists()
    assert _config(cli) == CONFIG
    assert lines[-1].startswith("✓ no container, volume or network of stack unit is left")


def test_secrets_survive_without_a_salt_in_the_config(cli: Cli) -> None:
    """The salt is taken from the state: a secret output of the first run is readable after the second."""
    commands.up(cli, lambda _line: None, example=False)
    commands.up(cli, lambda _line: None, example=False)
    said = cli.ask("stack", "output", "password", "--show-secrets", "--stack", "unit")
    assert said == "geheim"
    state = (cli.machine.state / ".pulumi" / "stacks" / "cairn" / "unit.json").read_text()
    assert "geheim" not in state


def test_up_goes_on_after_a_run_that_was_killed(cli: Cli) -> None:
    """A killed Pulumi leaves the stack locked; the next `up` sees that its holder is gone, says so, and converges."""
    with _slow_program(cli), _running(cli) as killed:
        killed.kill()
    lines: list[str] = []
    commands.up(cli, lines.append, example=False)
    assert any("unlocked" in line for line in lines), lines
    assert any("2 resources changed" in line for line in lines), lines


def test_while_plain_pulumi_is_at_work_make_up_says_so(cli: Cli) -> None:
    """Who, from which process and since when, and that one goes on; plain Pulumi is told the same by Pulumi."""
    with _slow_program(cli), _running(cli) as first:
        with pytest.raises(ToolchainError, match=rf"stack unit: \S+@\S+, process {first.pid}, since \d{{4}}-"):
            commands.up(cli, lambda _line: None, example=False)
        with stream(cli, "up", "--yes", "--skip-preview") as second:
            said = second.communicate(timeout=60)[0]
        assert second.returncode
        assert f"(pid {first.pid}) at " in said
    assert first.returncode == 0


def test_while_make_up_is_at_work_a_second_one_says_so(cli: Cli) -> None:
    """Before it has asked anything of the stack: which command, which process, since when; the first one ends well."""
    with ThreadPoolExecutor() as pool, _slow_program(cli):
        first = pool.submit(commands.up, cli, lambda _line: None, False)
        _wait_started(cli)
        told = rf"`make up STACK=unit` \(process {os.getpid()}, since \d\d:\d\d:\d\d\) is at work on stack unit"
        with pytest.raises(ToolchainError, match=told):
            commands.up(cli, lambda _line: None, example=False)
        with pytest.raises(ToolchainError, match=told):
            commands.down(cli, lambda _line: None, remove=False)
    first.result(timeout=60)


@contextmanager
def _slow_program(cli: Cli) -> Iterator[None]:
    """A program that says that it has started, and goes on when it is told to."""
    cli.select()
    program = cli.machine.root / "infra" / "__main__.py"
    whole = program.read_text()
    started, go_on = (str(cli.machine.root / name) for name in ("started", "go on"))
    waiting = (
        f"import pathlib, time\npathlib.Path({started!r}).touch()\n"
        f"while not pathlib.Path({go_on!r}).exists():\n    time.sleep(0.1)\n"
    )
    program.write_text(waiting + whole)
    try:
        yield
    finally:
        Path(go_on).touch()
        program.write_text(whole)


@contextmanager
def _running(cli: Cli) -> Iterator["subprocess.Popen[str]"]:
    """Plain Pulumi in the midst of a slow program; afterwards it is let go on, and ends."""
    with stream(cli, "up", "--yes", "--skip-preview") as process:
        _wait_started(cli)
        try:
            yield process
        finally:
            (cli.machine.root / "go on").touch()
            process.communicate(timeout=60)


def _wait_started(cli: Cli) -> None:
    deadline = time.monotonic() + 60
    while not (cli.machine.root / "started").exists():
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.05)


def test_a_broken_policy_pack_is_shown(cli: Cli) -> None:
    """Its traceback is among the lines, not only that it did not start."""
    (cli.machine.root / "policies" / "__main__.py").write_text("raise ValueError('the rule is wrong')\n")
    lines: list[str] = []
    with pytest.raises(ToolchainError, match="policy pack"):
        commands.up(cli, lines.append, example=False)
    assert any("ValueError: the rule is wrong" in line for line in lines), lines


def test_an_error_of_the_program_comes_out_whole(cli: Cli) -> None:
    """With the traceback's lines and what to repeat."""
    (cli.machine.root / "infra" / "__main__.py").write_text("raise ValueError('the number is wrong')\n")
    with pytest.raises(ToolchainError, match=r"(?s)line 1.*ValueError: the number is wrong.*make up"):
        commands.up(cli, lambda _line: None, example=False)


def test_plain_pulumi_works_with_the_printed_environment(cli: Cli) -> None:
    """`make env` prints exports with which `pulumi preview`, `up` and `destroy` work on a stack of `make up`."""
    commands.up(cli, lambda _line: None, example=False)
    exports = "".join(f"export {k}={shlex.quote(v)}\n" for k, v in cli.machine.pulumi_variables().items())
    script = (
        exports + "set -e\npulumi preview --expect-no-changes\npulumi up --yes --skip-preview\npulumi destroy --yes"
    )
    said = subprocess.run(
        ["sh", "-c", script],
        cwd=cli.machine.root,
        env=dict(cli.machine.environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "2 unchanged" in said.stdout
    assert "2 deleted" in said.stdout


def test_the_printed_environment_is_the_one_in_use() -> None:
    """`python3 -m toolchain env` is what the Makefile prints; each line is an export."""
    said = subprocess.run(
        [sys.executable, "-m", "toolchain", "env"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = said.stdout.splitlines()
    assert lines
    assert all(line.startswith("export ") for line in lines)
