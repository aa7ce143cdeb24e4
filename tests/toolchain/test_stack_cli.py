"""The stack file stays clean, the passphrase stays secret, stale locks go."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.shell import Answer, ToolchainError
from toolchain.stack.cli import Cli, clean_file, make_passphrase

TEXT = "# a comment\nconfig:\n  cairn:port: 1\n"
SALT = "encryptionsalt: v1:abc=:v1:def:ghi\n"


def test_the_salt_that_pulumi_adds_is_taken_out(tmp_path: Path) -> None:
    """The file's bytes are what they were, although Pulumi formats it anew."""
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(TEXT)
    with clean_file(file):
        file.write_text(SALT + TEXT.replace("  cairn", "    cairn"))
    assert file.read_text() == TEXT


def test_a_salt_from_a_killed_run_is_taken_out_too(tmp_path: Path) -> None:
    """A run that was killed leaves the salt behind; the next run cleans up."""
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(SALT + TEXT)
    with clean_file(file):
        pass
    assert file.read_text() == TEXT


def test_a_users_change_in_the_meantime_is_kept(tmp_path: Path) -> None:
    """Only the salt goes; an edit made during a long run stays."""
    file = tmp_path / "Pulumi.local.yaml"
    file.write_text(TEXT)
    with clean_file(file):
        file.write_text(SALT + TEXT + "  cairn:new: 2\n")
    assert file.read_text() == TEXT + "  cairn:new: 2\n"


def test_encrypted_values_keep_their_salt(tmp_path: Path) -> None:
    """Without it nobody could read them again."""
    file = tmp_path / "Pulumi.local.yaml"
    text = SALT + TEXT + "  cairn:password:\n    secure: v1:xyz\n"
    file.write_text(text)
    with clean_file(file):
        pass
    assert file.read_text() == text


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
    assert ours["PULUMI_BACKEND_URL"] == f"file://{tmp_path / 'b' / '.cairn' / 'state'}"
    assert ours["PULUMI_HOME"].startswith(str(tmp_path / "b"))


def test_an_unknown_stack_names_those_there_are(tmp_path: Path) -> None:
    """A typing error in STACK= does not make a new stack."""
    here = machine(tmp_path)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.local.yaml").write_text(TEXT)
    with pytest.raises(ToolchainError, match="choose another with STACK=…: local"):
        Cli(here, FakeShell(), "lokal").select()


def _lock(cli: Cli, process: int) -> None:
    folder = cli.machine.state / ".pulumi" / "locks" / "organization" / "cairn" / "local"
    folder.mkdir(parents=True)
    (folder / "1.json").write_text(json.dumps({"pid": process}))


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
    _lock(cli, os.getpid())
    assert cli.unlock() is None
