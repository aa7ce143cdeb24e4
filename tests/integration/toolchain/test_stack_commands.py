"""`make up`, `down` and plain Pulumi on a checkout of their own, with the real CLI: a small program, no containers."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.toolchain.conftest import ROOT
from toolchain.machine import Machine
from toolchain.shell import RealShell, ToolchainError
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
POLICIES = """
from pulumi_policy import PolicyPack, ResourceValidationPolicy
content = ResourceValidationPolicy(name="content", description="Allows all.", validate=lambda args, report: None)
PolicyPack(name="none", policies=[content])
"""


class _Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Say nothing."""


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """A checkout with this one's tools, and a server that is healthy."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Healthy)
    Thread(target=server.serve_forever, daemon=True).start()
    tools = Machine(ROOT, {})
    for folder in ("infra", "stacks", "policies", ".cairn/tools"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".cairn" / "tools" / "pulumi").symlink_to(tools.pulumi_bin.parent)
    (tmp_path / ".venv").symlink_to(tools.venv)
    runtime = f"runtime: {{name: python, options: {{virtualenv: {tools.venv}}}}}\n"
    (tmp_path / "Pulumi.yaml").write_text(f"name: cairn\nmain: infra\nstackConfigDir: stacks\n{runtime}")
    (tmp_path / "policies" / "PulumiPolicy.yaml").write_text(runtime)
    (tmp_path / "policies" / "__main__.py").write_text(POLICIES)
    (tmp_path / "stacks" / "Pulumi.unit.yaml").write_text(CONFIG)
    (tmp_path / "infra" / "__main__.py").write_text(PROGRAM.replace("{port}", str(server.server_port)))
    foreign = ("PULUMI_", "CAIRN_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    environ["PULUMI_HOME"] = str(tools.pulumi_home)
    machine = Machine(tmp_path, environ)
    yield Cli(machine, RealShell(machine.logs, environ), "unit")
    server.shutdown()
    server.server_close()


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
    program = cli.machine.root / "infra" / "__main__.py"
    healthy, started = program.read_text(), cli.machine.root / "started"
    program.write_text(f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(600)\n")
    cli.select()
    with stream(cli, "up", "--yes", "--skip-preview") as killed:
        deadline = time.monotonic() + 60
        while not started.exists():
            assert time.monotonic() < deadline, "the program did not start"
            time.sleep(0.05)
        killed.kill()
        killed.communicate(timeout=30)
    program.write_text(healthy)
    lines: list[str] = []
    commands.up(cli, lines.append, example=False)
    assert any("unlocked" in line for line in lines), lines
    assert any("2 resources changed" in line for line in lines), lines


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
