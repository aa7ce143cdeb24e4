"""Running commands: logs, ends of logs, errors."""

import sys
from pathlib import Path

import pytest

from toolchain.shell import RealShell, ToolchainError


def test_a_failure_shows_the_end_of_its_output_and_what_to_do(tmp_path: Path) -> None:
    """The user sees the last lines of this run, not of an earlier one, with the remedy."""
    shell = RealShell(tmp_path, {})
    shell.run("step", [sys.executable, "-c", "print('earlier')"], "")
    with pytest.raises(ToolchainError) as caught:
        shell.run("step", [sys.executable, "-c", "print('why'); exit(3)"], "do this")
    message = str(caught.value)
    assert "exit code 3" in message
    assert "why" in message
    assert "earlier" not in message
    assert message.endswith("→ do this")


def test_a_program_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    """A missing program is a plain message from `run` and a non-zero answer from `ask`."""
    shell = RealShell(tmp_path, {"PATH": str(tmp_path)})
    assert shell.ask(["no-such-program"]).code != 0
    with pytest.raises(ToolchainError, match="did not start"):
        shell.run("step", ["no-such-program"], "install it")


def test_a_question_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """A hanging tool does not hang the set-up."""
    assert RealShell(tmp_path, {}).ask([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2).code != 0
