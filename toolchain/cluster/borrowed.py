"""The cluster for as long as something needs it: one that was up before stays up.

Called by suite.py and by tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from toolchain.cluster import down, nodes, up
from toolchain.cluster.layout import Layout
from toolchain.shell import Shell
from toolchain.steps import Report


@contextmanager
def borrowed(layout: Layout, shell: Shell, report: Report) -> Iterator[Layout]:
    """The cluster, ready; removed at the end if it was started here."""
    was_up = nodes.find(layout) is not None
    up.up(layout, shell, report)
    try:
        yield layout
    finally:
        if not was_up:
            down.down(layout, shell, report)
