"""The node as the machine sees it: started, found, ended, and its control groups taken away.

Called by up.py, down.py and status.py.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toolchain.cluster import layout as names
from toolchain.cluster.daemons import daemons
from toolchain.cluster.layout import Layout
from toolchain.setup import files
from toolchain.shell import ToolchainError

# Fixed places that containerd, the CNI plugins and the kubelet write to; the node has its own there.
FOLDERS = ("/run", "/var/log", "/var/lib/kubelet", "/var/lib/cni")
SETTINGS = {
    "vm.overcommit_memory": 1,
    "vm.panic_on_oom": 0,
    "kernel.panic": 10,
    "kernel.panic_on_oops": 1,
    "kernel.keys.root_maxkeys": 1000000,
    "kernel.keys.root_maxbytes": 25000000,
}
UNSHARE = ("unshare", "--fork", "--kill-child", "--pid", "--mount-proc", "--mount", "--propagation", "slave", "--net")
CGROUPS = Path("/sys/fs/cgroup")
GONE_SECONDS = 20


@dataclass(frozen=True)
class Process:
    """A process of the node."""

    number: int
    command: list[str]
    memory: int  # resident, in bytes


def recipe(layout: Layout, stamp: str) -> dict[str, Any]:
    """What node.py is told; the stamp of the programs is in it, so that new programs mean a new node."""
    return {
        "programs": stamp,
        "folders": list(FOLDERS),
        "settings": SETTINGS,
        "uplink": names.UPLINK,
        "bridge": names.BRIDGE,
        "address": layout.node_address,
        "gateway": layout.host_address,
        "registry_port": layout.registry_port,
        "services": names.SERVICES,
        "logs": str(layout.logs),
        "daemons": [asdict(daemon) for daemon in daemons(layout)],
    }


def start(layout: Layout, told: dict[str, Any]) -> int:
    """Start the node's first process; returns the process whose namespaces are the node's, and whose end ends all."""
    for folder in (layout.logs, layout.data):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    layout.socket.unlink(missing_ok=True)
    made = [folder for folder in FOLDERS if not Path(folder).exists()]
    for missing in made:
        Path(missing).mkdir(parents=True)
    files.write(layout.folder / "folders", json.dumps(made))
    _make_cgroups(layout)
    files.write(layout.recipe, json.dumps(told, indent=1))
    command = [*UNSHARE, sys.executable, "-P", "-m", "toolchain.cluster.node", str(layout.recipe)]
    root = Path(__file__).resolve().parents[2]
    with (layout.logs / "node.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it is meant to outlive this run
        )
    process.returncode = 0  # nobody here waits for its end
    files.write(layout.process, f"{process.pid} {_started(process.pid)}")
    return process.pid


def find(layout: Layout) -> int | None:
    """The process that holds the node, if it runs: its number may have gone to another since, its start may not."""
    if not layout.process.is_file():
        return None
    number, _space, started = layout.process.read_text().partition(" ")
    return int(number) if started and _started(int(number)) == started else None


def processes(holder: int) -> list[Process]:
    """Every process of the node, but for its holder; none while that has no namespaces of its own yet."""
    space = _link(holder, "pid_for_children")
    if space in ("", _link(os.getpid(), "pid")):
        return []
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        number = int(folder.name)
        if number != holder and _link(number, "pid") == space:
            words = _read(folder / "cmdline").split("\0")[:-1]
            pages = _read(folder / "statm").split()
            found.append(Process(number, words, int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else 0))
    return found


def stop(layout: Layout) -> None:
    """End the node: the kernel ends every process in it, and takes its mounts, bridge and rules away."""
    holder = find(layout)
    if holder is not None:
        left = [holder, *(process.number for process in processes(holder))]
        os.kill(holder, signal.SIGKILL)
        _wait_gone(left)
    layout.process.unlink(missing_ok=True)
    _remove_cgroups(layout)
    made = layout.folder / "folders"
    for folder in json.loads(made.read_text()) if made.is_file() else []:
        if Path(folder).is_dir() and not any(Path(folder).iterdir()):
            Path(folder).rmdir()


def _wait_gone(left: list[int]) -> None:
    started = {number: _started(number) for number in left}
    deadline = time.monotonic() + GONE_SECONDS
    while any(began and _started(number) == began for number, began in started.items()):
        if time.monotonic() > deadline:
            raise ToolchainError(f"processes of the node do not end: {left}", "see `ps -p` of them, then repeat")
        _bury(left[0])
        time.sleep(0.02)


def _bury(process: int) -> None:
    """Take the exit of a holder that this very process has started."""
    try:
        os.waitpid(process, os.WNOHANG)
    except ChildProcessError:
        return


def _started(process: int) -> str:
    """When a process started, in the kernel's ticks and never twice the same for a number; empty when it is gone."""
    stat = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
    return stat[19] if stat and stat[0] != "Z" else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it has ended in the meantime


def _link(process: int, kind: str) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/{kind}").readlink())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""  # it has ended in the meantime, or nobody may look at it: none of ours


def _hierarchies() -> list[Path]:
    """Where control groups are made: the one tree of cgroup v2, or each controller's of v1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [folder for folder in CGROUPS.iterdir() if (folder / "cgroup.procs").exists() and not folder.is_symlink()]


def _make_cgroups(layout: Layout) -> None:
    for hierarchy in _hierarchies():
        (hierarchy / layout.name).mkdir(exist_ok=True)


def _remove_cgroups(layout: Layout) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    for hierarchy in _hierarchies():
        for folder, _inner, _files in os.walk(hierarchy / layout.name, topdown=False):
            _remove_cgroup(Path(folder), deadline)


def _remove_cgroup(folder: Path, deadline: float) -> None:
    """Remove one; the kernel may hold it for a moment after its last process has ended."""
    while True:
        try:
            return folder.rmdir()
        except OSError as problem:
            if problem.errno != errno.EBUSY or time.monotonic() > deadline:
                raise ToolchainError(
                    f"control group {folder} stays: {problem}", "end what is in it, then repeat"
                ) from problem
        time.sleep(0.02)
