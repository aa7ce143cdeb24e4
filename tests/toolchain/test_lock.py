"""One set-up at a time."""

from pathlib import Path

import pytest

from toolchain.lock import exclusive
from toolchain.shell import ToolchainError


def test_a_second_run_is_told_who_is_at_work(tmp_path: Path) -> None:
    """The message names the command that holds the lock; afterwards the lock is free."""
    with exclusive(tmp_path / "lock", "make up"):
        again = exclusive(tmp_path / "lock", "make test")
        with (
            pytest.raises(
                ToolchainError, match=r"`make up` \(process \d+, since \d\d:\d\d:\d\d\) is at work in this checkout"
            ),
            again,
        ):
            pytest.fail("two at a time")
    with exclusive(tmp_path / "lock", "make test"):
        pass
