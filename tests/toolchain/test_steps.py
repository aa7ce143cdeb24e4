"""The runner of set-up steps."""

import threading

import pytest

from toolchain.shell import ToolchainError
from toolchain.steps import Step, run, status


def _failing() -> str:
    raise ToolchainError("broken", "mend it")


def test_only_what_is_missing_is_done_and_said() -> None:
    """A step that is done costs nothing and prints nothing."""
    lines: list[str] = []
    steps = [
        Step("there", lambda: "1.0", lambda: pytest.fail("was done again")),
        Step("missing", lambda: None, lambda: "2.0"),
    ]
    run(steps, lines.append)
    assert len(lines) == 1
    assert lines[0].startswith("✓ missing 2.0 (")


def test_a_step_waits_for_what_it_needs() -> None:
    """Order follows `needs`, however the threads are scheduled."""
    order: list[str] = []
    first_may_go = threading.Event()

    def first() -> str:
        first_may_go.wait(5)
        order.append("first")
        return ""

    def other() -> str:
        order.append("other")
        first_may_go.set()
        return ""

    def second() -> str:
        order.append("second")
        return ""

    steps = [
        Step("first", lambda: None, first),
        Step("second", lambda: None, second, needs=("first",)),
        Step("other", lambda: None, other),
    ]
    run(steps, lambda _line: None)
    assert order == ["other", "first", "second"]


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    """The failed step's message comes out; independent work is kept."""
    lines: list[str] = []
    steps = [
        Step("broken", lambda: None, _failing),
        Step("after", lambda: None, lambda: pytest.fail("ran without what it needs"), needs=("broken",)),
        Step("apart", lambda: None, lambda: "done"),
    ]
    with pytest.raises(ToolchainError, match="broken\n  → mend it"):
        run(steps, lines.append)
    assert any(line.startswith("✓ apart") for line in lines)
    assert any(line.startswith("✗ broken") for line in lines)


def test_status_does_nothing() -> None:
    """`make status` only looks."""
    lines: list[str] = []
    status([Step("a", lambda: "1.0", _failing), Step("b", lambda: None, _failing)], lines.append)
    assert lines == ["✓ a 1.0", "· b: not there yet"]
