"""The node's first process: makes its mounts and its network, starts the daemons, and starts anew what ends.

Started by nodes.py as `python -m toolchain.cluster.node FILE`, in network, mount and process namespaces that are empty
but for it. The file says what to do; what is made here is gone when this process ends. Every process of the node whose
parent has ended becomes a child of this one, so it also takes their exits.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LARGEST_LOG = 32 * 1024 * 1024
TICK_SECONDS = 0.05
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
STEADY_SECONDS = 20.0


@dataclass
class Child:
    """A daemon, running or to be started."""

    name: str
    command: list[str]
    waits_for: str
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    not_before: float = 0.0
    pause: float = field(default=FIRST_PAUSE)

    def ended(self, code: int, now: float) -> None:
        """Plan the next start: at once after a steady run, later and later when it keeps failing."""
        self.pause = FIRST_PAUSE if now - self.started > STEADY_SECONDS else min(self.pause * 2, LONGEST_PAUSE)
        if self.process:
            self.process.returncode = code  # bury() has taken its exit
        self.process, self.not_before = None, now + self.pause
        print(f"{self.name} ended ({code}), started again in {self.pause:.1f} s", flush=True)

    def due(self, now: float) -> bool:
        """Whether it is to be started now."""
        return self.process is None and now >= self.not_before and there(self.waits_for)

    def start(self, logs: Path, now: float) -> None:
        """Start it in a session of its own, its log appended to."""
        path = logs / f"{self.name}.log"
        if path.exists() and path.stat().st_size > LARGEST_LOG:
            path.replace(path.with_suffix(".old.log"))
        with path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.started = now


def there(what: str) -> bool:
    """Whether a port of the loopback answers or a socket is there; nothing is always there."""
    if not what.isdigit():
        return not what or Path(what).exists()
    try:
        socket.create_connection(("127.0.0.1", int(what)), timeout=0.5).close()
    except OSError:
        return False
    return True


def mounts(recipe: dict[str, Any]) -> None:
    """Put folders of the node's own over the fixed places that daemons write to, and files over settings they'd change.

    The kubelet sets what it finds otherwise in /proc/sys, of the whole machine; here it finds what it wants.
    """
    _run("mount", "--make-rshared", "/")
    for folder in recipe["folders"]:
        _run("mount", "-t", "tmpfs", "-o", "mode=755", "node", folder)
    stand_ins = Path("/run/settings")
    stand_ins.mkdir()
    for setting, value in recipe["settings"].items():
        file = stand_ins / setting
        file.write_text(f"{value}\n")
        _run("mount", "--bind", str(file), f"/proc/sys/{setting.replace('.', '/')}")


def network(recipe: dict[str, Any]) -> None:
    """Wait for the link that the machine gives, take its address, and keep pods from where they must not go."""
    _run("ip", "link", "set", "lo", "up")
    uplink = recipe["uplink"]
    while not Path(f"/proc/sys/net/ipv4/conf/{uplink}").exists():
        time.sleep(TICK_SECONDS)
    _run("ip", "address", "replace", f"{recipe['address']}/30", "dev", uplink)
    _run("ip", "link", "set", uplink, "up")
    _run("ip", "route", "replace", "default", "via", recipe["gateway"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")
    from_pods = ["-i", recipe["bridge"]]
    registry = ["-p", "tcp", "--dport", str(recipe["registry_port"]), "-m", "addrtype", "--dst-type", "LOCAL"]
    # Before all chains of others, some of which accept what comes from pods.
    _run("iptables", "-w", "-t", "mangle", "-A", "PREROUTING", *from_pods, *registry, "-j", "DROP")
    # Policies' rules are of IPv4, but every link has an IPv6 address of its own.
    if Path("/proc/sys/net/ipv6").exists():
        _run("ip6tables", "-w", "-t", "mangle", "-A", "PREROUTING", *from_pods, "-j", "DROP")
    # A Service that kube-proxy does not know yet must not be looked for outside.
    _run("iptables", "-w", "-A", "FORWARD", *from_pods, "-d", recipe["services"], "-j", "REJECT")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def bury(children: list[Child]) -> None:
    """Take the exits of whatever has ended."""
    while True:
        try:
            process, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if process == 0:
            return
        for child in children:
            if child.process and child.process.pid == process:
                child.ended(os.waitstatus_to_exitcode(status), time.monotonic())


def main(file: str) -> None:
    """Make the node, then watch over it until the machine ends this process, and the kernel all others with it."""
    recipe = json.loads(Path(file).read_text())
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    mounts(recipe)
    network(recipe)
    logs = Path(recipe["logs"])
    children = [Child(**daemon) for daemon in recipe["daemons"]]
    while True:
        now = time.monotonic()
        for child in children:
            if child.due(now):
                child.start(logs, now)
        bury(children)
        time.sleep(TICK_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
