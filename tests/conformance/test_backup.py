"""The drill: what `cairn backup` has saved, `cairn restore` gives back in another stack, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import aiplatform

from cairn.errors import CairnError
from tests.conformance import serving
from tests.support import drill
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="module")
def endpoint(stack: Stack, versions: serving.Versions) -> Iterator[aiplatform.Endpoint]:
    """Something of everything in the stack, a deployed model among it."""
    made = drill.populate(stack, versions, 2)
    yield made
    made.delete(force=True)


@pytest.fixture
def other(stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """An empty stack beside the suite's."""
    with running_stack(stack.site, tmp_path) as running:
        yield running


@pytest.mark.backends("docker")  # from one backend to the other: `make chaos`, "backup"
def test_a_restored_stack_has_everything(
    stack: Stack, endpoint: aiplatform.Endpoint, other: Stack, tmp_path: Path
) -> None:
    """A stack saved in use comes back elsewhere: every job, log, model, endpoint, run and object; it serves again."""
    backup = drill.saved(stack, tmp_path / "backup", print)
    drill.restored(backup, other, print)
    drill.wait_answers(other, endpoint)
    assert "kept words" in "".join(backup.before["logs"].values())
    with pytest.raises(CairnError, match=r"the stack is not empty: \d+ of a user's things in database"):
        drill.restored(backup, other, print)
