"""Taking the cluster away: afterwards there is no process, mount, link, rule, control group or file of it.

Called by commands.py, up.py and stack/cluster.py.
"""

import shutil
import time

from toolchain.cluster import network, nodes
from toolchain.cluster.layout import Layout
from toolchain.lock import exclusive
from toolchain.shell import Shell
from toolchain.steps import Report


def down(layout: Layout, shell: Shell, report: Report) -> None:
    """Remove the cluster with everything in it; safe to repeat."""
    start = time.monotonic()
    lock = layout.folder.with_suffix(".lock")
    there = layout.folder.exists()
    with exclusive(lock, "cluster down"):
        remove(layout, shell)
        lock.unlink()
    report(f"✓ cluster removed ({time.monotonic() - start:.1f} s)" if there else "✓ there is no cluster")


def remove(layout: Layout, shell: Shell) -> None:
    """End the node, then take away what it leaves on the machine; what has its name but is another's stays."""
    if not network.others(layout):
        nodes.stop(layout)
        network.disconnect(layout, shell)
    shutil.rmtree(layout.folder, ignore_errors=True)
