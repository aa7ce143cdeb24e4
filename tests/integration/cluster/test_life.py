"""The cluster's own life: up when it is up, killed in parts and as a whole, another's, and gone without a trace."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.cluster.lab import until
from tests.support.cluster import kill
from tests.support.environment import ROOT
from toolchain.cluster import down, nodes, status, up
from toolchain.cluster.api import Api
from toolchain.cluster.layout import Layout, layout
from toolchain.machine import Machine
from toolchain.shell import RealShell, ToolchainError

MACHINE = Machine(ROOT, dict(os.environ))
SHELL = RealShell(MACHINE.logs, MACHINE.environ)
HERE = layout(MACHINE, 2)
MAPS = "/api/v1/namespaces/default/configmaps"
KEPT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"answer": "42"}}


def _up(here: Layout = HERE) -> list[str]:
    said: list[str] = []
    up.up(here, SHELL, said.append)
    return said


def _api() -> Api:
    return Api(HERE.kubeconfig.read_text())


def _dns() -> list[str]:
    pods = _api().get("/api/v1/namespaces/kube-system/pods")["items"]
    return [pod["metadata"]["uid"] for pod in pods]


def _traces() -> dict[str, list[str]]:
    """What this machine has of the cluster, wherever a cluster may leave something."""
    tables = [
        line
        for table in ("filter", "nat", "mangle", "raw")
        for line in subprocess.run(
            ["iptables", "-w", "-t", table, "-S"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        if HERE.name.upper() in line or HERE.link in line
    ]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "rules": tables,
        "links": [path.name for path in Path("/sys/class/net").iterdir() if path.name == HERE.link],
        "mounts": [line for line in mounts if str(HERE.folder) in line],
        "control groups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{HERE.name}")],
        "files": [str(path) for path in HERE.folder.parent.glob(f"{HERE.folder.name}*")],
        "processes": [path.parent.name for path in Path("/proc").glob("[0-9]*/cmdline") if _names_folder(path)],
    }


def _names_folder(command: Path) -> bool:
    try:
        return f"{HERE.folder}/".encode() in command.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended in the meantime


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Cluster number 2, with something in it."""
    _up()
    _api().apply(MAPS, KEPT)
    yield
    down.down(HERE, SHELL, print)


def _still_knows() -> bool:
    return bool(_api().get(f"{MAPS}/kept")["data"] == KEPT["data"])


def test_up_when_it_is_up_says_so_at_once() -> None:
    """In a few seconds, and nothing is started."""
    before, start = nodes.find(HERE), time.monotonic()
    assert "cluster is up" in _up()[-1]
    assert time.monotonic() - start < 5
    assert nodes.find(HERE) == before


@pytest.mark.parametrize("daemon", ["kube-apiserver", "etcd", "containerd", "kubelet"])
def test_a_killed_daemon_is_started_again(daemon: str) -> None:
    """What was acknowledged before is known afterwards, and pods run on."""
    before = _dns()
    kill(HERE, daemon)
    assert _still_knows()
    assert _dns() == before


def test_a_node_that_was_cut_off_comes_back_with_what_it_had() -> None:
    """As after a reboot: one `up`, and the same objects and a DNS that runs."""
    holder = nodes.find(HERE)
    assert holder is not None
    os.kill(holder, signal.SIGKILL)
    until("the node ends", lambda: nodes.find(HERE) is None)
    assert not status.status(HERE, print)
    assert "started again with what it had" in _up()[0]
    assert _still_knows()
    assert status.status(HERE, print)


def test_rules_that_somebody_flushed_are_there_again() -> None:
    """`up` renews them: firewalls that are reloaded forget what is not theirs."""
    chain = f"{HERE.name.upper()}-OUTPUT"
    subprocess.run(["iptables", "-w", "-t", "nat", "-F", chain], check=True)
    _up()
    assert _still_knows()


def test_another_checkouts_cluster_is_not_touched(tmp_path: Path) -> None:
    """`up` says whose it is, `down` has nothing to do; it runs on."""
    with pytest.raises(ToolchainError, match=f"belongs to the cluster in {HERE.folder}"):
        _up(replace(HERE, folder=tmp_path / "cluster"))
    down.down(replace(HERE, folder=tmp_path / "cluster"), SHELL, print)
    assert _still_knows()


def test_down_leaves_nothing_and_may_be_repeated() -> None:
    """No rule, link, mount, control group, file or process; a start that is killed in its middle leaves none either."""
    found = {name for name, traces in _traces().items() if traces}
    assert found == {"rules", "links", "control groups", "files", "processes"}  # its mounts are its own
    down.down(HERE, SHELL, print)
    assert not any(_traces().values()), _traces()
    down.down(HERE, SHELL, print)
    script = "from tests.integration.cluster.test_life import _up; _up()"
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.DEVNULL)
    until("the node starts", HERE.process.exists)
    child.kill()
    child.wait()
    assert nodes.find(HERE) is not None
    down.down(HERE, SHELL, print)
    assert not any(_traces().values()), _traces()


def test_a_start_that_was_killed_is_begun_anew() -> None:
    """Before it was ever ready nothing of it is kept."""
    HERE.pki.mkdir(parents=True)
    (HERE.pki / "ca.crt").write_text("half")
    assert "cluster ready" in _up()[-1]
    _api().apply(MAPS, KEPT)
