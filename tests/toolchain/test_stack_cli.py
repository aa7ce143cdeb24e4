"""The stack file stays clean, the passphrase stays secret, stale locks go."""

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.shell import Answer, ToolchainError
from toolchain.stack.cli import Cli, make_passphrase, untouched

TEXT = "# a comment\nconfig:\n  cairn:port: 1\n"
OPEN = {"resource": {"urn": "urn:pulumi:local::cairn::docker:index/container:Container::api"}, "type": "creating"}
LOCK = {"username": "ada", "hostname": socket.gethostname(), "timestamp": "2026-11-25T07:00:00Z"}
SALT = "encryptionsalt: v1:abc=:v1:def:ghi\n"


def test_pulumi_is_given_a_copy_of_the_config(tmp_path: Path) -> None:
    """What Pulumi writes into its stack file does not reach the committed one; edits of that one reach Pulumi."""
    here = machine(tmp_path)
    file = tmp_path / "stacks" / "Pulumi.local.yaml"
    file.parent.mkdir()
    file.write_text(TEXT)
    cli = Cli(here, FakeShell(), "local")
    copy = Path(cli.options()[-1])
    copy.write_text(SALT + TEXT)
    assert file.read_text() == TEXT
    file.write_text(TEXT + "  cairn:new: 2\n")
    assert Path(cli.options()[-1]).read_text() == TEXT + "  cairn:new: 2\n"


def test_making_the_stack_leaves_its_file_as_it_was(tmp_path: Path) -> None:
    """Byte for byte."""
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(TEXT)
    with untouched(file):
        file.write_text(SALT + TEXT)
    assert file.read_text() == TEXT


def test_the_passphrase_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    """Mode 0600, long, and never replaced: it opens the state."""
    here = machine(tmp_path)
    make_passphrase(here)
    first = here.passphrase.read_text()
    make_passphrase(here)
    assert here.passphrase.read_text() == first
    assert len(first) > 32
    assert stat.S_IMODE(here.passphrase.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_the_users_own_passphrase_is_respected(tmp_path: Path, name: str) -> None:
    """None is made, and the variable is not overridden."""
    here = machine(tmp_path, **{name: "mine"})
    make_passphrase(here)
    assert not here.passphrase.exists()
    assert here.pulumi_environment()[name] == "mine"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in here.pulumi_variables()


def test_the_users_own_backend_and_home_are_respected(tmp_path: Path) -> None:
    """Otherwise both are inside the checkout, so that nothing of the user's is touched."""
    theirs = machine(tmp_path / "a", PULUMI_BACKEND_URL="s3://states", PULUMI_HOME="/their/home").pulumi_variables()
    assert theirs["PULUMI_BACKEND_URL"] == "s3://states"
    assert theirs["PULUMI_HOME"] == "/their/home"
    ours = machine(tmp_path / "b").pulumi_variables()
    assert ours["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'b' / '.cairn' / 'state'}?metadata=skip"
    assert ours["PULUMI_HOME"].startswith(str(tmp_path / "b"))


def test_an_unknown_stack_names_those_there_are(tmp_path: Path) -> None:
    """A typing error in STACK= does not make a new stack."""
    here = machine(tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(TEXT)
    with pytest.raises(ToolchainError, match="choose another with STACK=…: local"):
        Cli(here, FakeShell(), "lokal").select()


def _lock(cli: Cli, process: int, **more: str) -> None:
    folder = cli.machine.state / ".pulumi" / "locks" / "organization" / "cairn" / "local"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({"pid": process, **LOCK, **more}))


def test_the_lock_of_a_dead_process_goes(tmp_path: Path) -> None:
    """A killed run does not stop the next one."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    cli = Cli(machine(tmp_path), FakeShell({"cancel --yes --stack local": Answer(0, "")}), "local")
    _lock(cli, dead.pid)
    assert f"process {dead.pid}" in str(cli.unlock())


def test_the_lock_of_a_living_process_stays(tmp_path: Path) -> None:
    """Somebody is at work on the stack: `pulumi` says so, and nothing is cancelled."""
    cli = Cli(machine(tmp_path), FakeShell(), "local")
    at_work = [sys.executable, "-c", "print(flush=True), input()", "pulumi"]
    with subprocess.Popen(at_work, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout
        assert living.stdout.readline()
        _lock(cli, living.pid)
        with pytest.raises(ToolchainError, match=f"ada@.*, process {living.pid}, since 2026-11-25T07:00:00Z"):
            cli.unlock()
        living.kill()


def test_the_number_of_a_dead_process_may_be_somebody_elses_by_now(tmp_path: Path) -> None:
    """A process of that number that is no Pulumi does not hold the lock."""
    cli = Cli(machine(tmp_path), FakeShell({"cancel --yes --stack local": Answer(0, "")}), "local")
    _lock(cli, os.getpid())
    assert f"process {os.getpid()}" in str(cli.unlock())


def test_the_lock_of_another_machine_stays(tmp_path: Path) -> None:
    """Its processes can't be looked at from here."""
    cli = Cli(machine(tmp_path), FakeShell(), "local")
    _lock(cli, 4_000_000, hostname="elsewhere")
    with pytest.raises(ToolchainError, match="ada@elsewhere, process 4000000"):
        cli.unlock()


@pytest.mark.parametrize("latest", [{}, {"pending_operations": None}, {"pending_operations": [OPEN]}])
def test_what_a_killed_run_was_at_work_on_is_named(tmp_path: Path, latest: dict[str, list[object] | None]) -> None:
    """From the state; a run that ended left nothing open."""
    cli = Cli(machine(tmp_path), FakeShell(), "local")
    folder = cli.machine.state / ".pulumi" / "stacks" / "cairn"
    folder.mkdir(parents=True)
    (folder / "local.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))
    assert cli.unfinished() == (["api"] if latest.get("pending_operations") else [])
