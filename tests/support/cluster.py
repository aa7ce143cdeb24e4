"""The project's own Kubernetes for tests, started where it does not run, and its daemons killed by hand."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.support.environment import ROOT
from toolchain.cluster import nodes
from toolchain.cluster.api import Api
from toolchain.cluster.borrowed import borrowed
from toolchain.cluster.daemons import daemons
from toolchain.cluster.layout import Layout, layout
from toolchain.machine import Machine
from toolchain.shell import RealShell

READY_S: Final = 120.0


@contextmanager
def running(number: int = 0) -> Iterator[Layout]:
    """The cluster of that number; one that was not up before is removed afterwards."""
    machine = Machine(ROOT, dict(os.environ))
    with borrowed(layout(machine, number), RealShell(machine.logs, machine.environ), print) as here:
        yield here


def kill(here: Layout, daemon: str) -> None:
    """End a daemon at once, and wait until the one that follows answers."""
    holder = nodes.find(here)
    assert holder is not None
    (wanted,) = [each.command for each in daemons(here) if each.name == daemon]
    (process,) = [each for each in nodes.processes(holder) if each.command == wanted]
    os.kill(process.number, signal.SIGKILL)
    api, deadline = Api(here.kubeconfig.read_text()), time.monotonic() + READY_S
    while process.number in {each.number for each in nodes.processes(holder)} or not api.answers():
        assert time.monotonic() < deadline, f"the cluster does not answer {READY_S} s after its {daemon} was killed"
        time.sleep(0.2)
