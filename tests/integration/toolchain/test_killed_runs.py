"""kill -9 at any moment, on the real engine: the short version of `make chaos`'s "provisioning"."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.support.checkout import healthy_server
from tests.support.killing import killed_rounds
from tests.support.thirty import Thirty

KILLS = 3


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Thirty]:
    """Thirty resources to come; at the end nothing is left, or the end fails."""
    with healthy_server() as port:
        made = Thirty.make(tmp_path, port, Random(5))  # noqa: S311 (repeatable, not secret)
        try:
            yield made
        finally:
            made.down()


def test_up_puts_right_what_killed_runs_left(stack: Thirty) -> None:
    """Up, refresh and destroy killed at random moments: the next `make up` converges unattended, without an orphan."""
    killed_rounds(stack, KILLS, print)
    assert stack.up()
    assert any("nothing to change" in line for line in stack.said), stack.said


def test_down_removes_what_a_killed_up_left(stack: Thirty) -> None:
    """Also what is in no state, since the run was killed before it could write it down."""
    for seconds in (2.5, 3.0):
        stack.kill("up", seconds)
    stack.down()
    assert stack.said[-1].startswith("✓ no container, volume or network"), stack.said
