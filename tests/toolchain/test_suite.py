"""How a process of tests is followed."""

import sys
from collections import deque
from pathlib import Path

from toolchain import suite
from toolchain.machine import Machine

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(20))
def test_of_many(number): assert number != 7
"""


def test_progress_and_failures_are_said_at_once_and_all_of_it_at_the_end(tmp_path: Path) -> None:
    """A run of half an hour shows how far it is; what pytest says of a failure is not torn apart by another lane."""
    (tmp_path / "test_it.py").write_text(TESTS)
    said: list[str] = []
    command = (sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider")
    assert suite._pytest(Machine(tmp_path, {}), said.append, ("some", *command), ["test_it.py"]) == 1
    *progress, account, end = said
    assert "✗ some: test_it.py::test_of_many[7]" in progress
    assert [each.split(" (")[0] for each in progress if "%" in each] == [f"· some: {n} %" for n in range(10, 101, 10)]
    assert "1 failed, 19 passed" in account
    assert "assert 7 != 7" in account
    assert end.startswith("✗ some (")


def test_shared_tests_run_once_by_whichever_lane_is_free() -> None:
    """A lane's own come first; what is shared is done by the lane that is done with its own, and by no other too."""
    shared: deque[suite.Tests] = deque([("c",), ("d",)])
    first, second = suite._lane([("a",)], shared), suite._lane([("b",)], shared)
    assert [next(first), next(second), next(second), *first] == [("a",), ("b",), ("c",), ("d",)]
    assert list(second) == []
