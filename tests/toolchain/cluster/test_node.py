"""The node's first process: when it starts what, and how it takes exits."""

import subprocess
import sys
import time
from pathlib import Path

from toolchain.cluster.node import FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS, Child, bury, there


def test_a_daemon_that_keeps_failing_is_tried_ever_more_rarely() -> None:
    """And at once again after it has run for a while."""
    child = Child("x", ["x"], "")
    pauses = []
    for _attempt in range(8):
        child.started = 100.0
        child.ended(1, 100.1)
        pauses.append(child.pause)
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE
    child.ended(1, 100.0 + STEADY_SECONDS + 1)
    assert child.pause == FIRST_PAUSE


def test_a_daemon_waits_for_its_pause_and_for_what_it_needs(tmp_path: Path) -> None:
    """A socket that is not there holds it back."""
    child = Child("x", ["x"], str(tmp_path / "socket"), not_before=5.0)
    assert not child.due(6.0)
    (tmp_path / "socket").touch()
    assert not child.due(4.0)
    assert child.due(6.0)


def test_a_port_nobody_listens_on_is_not_there() -> None:
    """Port 1 of the loopback has no service."""
    assert not there("1")
    assert there("")


def test_an_exit_is_taken_and_the_next_start_planned(tmp_path: Path) -> None:
    """The log keeps what was printed; a log that has grown large is put aside first."""
    log = tmp_path / "x.log"
    child = Child("x", [sys.executable, "-c", "print('said'); raise SystemExit(3)"], "")
    child.start(tmp_path, time.monotonic())
    deadline = time.monotonic() + 20
    while child.process is not None:
        bury([child])
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert log.read_text() == "said\n"
    assert child.not_before > time.monotonic() - 1


def test_it_needs_nothing_but_the_standard_library() -> None:
    """It is started by whatever Python starts the toolchain, in namespaces where packages may not be seen."""
    subprocess.run([sys.executable, "-S", "-c", "import toolchain.cluster.node"], check=True, timeout=60)
