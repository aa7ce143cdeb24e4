"""The node as the machine sees it: what is of a node, and how it ends."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolchain.cluster import nodes
from toolchain.cluster.layout import Layout
from toolchain.setup import files


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the machine's own namespaces, as the node's holder is in its first moments."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_start_that_was_killed_at_its_very_first_is_stopped_at_once(
    tmp_path: Path, holder: subprocess.Popen[bytes]
) -> None:
    """Its holder has no namespaces yet: the machine's own processes are not taken for the node's and waited for."""
    layout = Layout(tmp_path / "cluster", tmp_path / "tools", number=3)
    files.write(layout.process, f"{holder.pid} {nodes._started(holder.pid)}")
    assert nodes.find(layout) == holder.pid
    assert nodes.processes(holder.pid) == []
    start = time.monotonic()
    nodes.stop(layout)
    assert time.monotonic() - start < nodes.GONE_SECONDS / 2
    assert nodes.find(layout) is None
