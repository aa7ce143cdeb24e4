"""Bringing the cluster up: what is missing is made, what was killed in the middle is started anew.

Called by commands.py and stack/cluster.py.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from toolchain.cluster import configuration, images, network, nodes, pki
from toolchain.cluster import layout as names
from toolchain.cluster.api import Api, Refused
from toolchain.cluster.down import remove
from toolchain.cluster.layout import Layout
from toolchain.cluster.manifests import SYSTEM, manifests
from toolchain.lock import exclusive
from toolchain.setup import files
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Report

READY_SECONDS = 180
TICK_SECONDS = 0.1
RESOLVER = Path("/etc/resolv.conf")


def up(layout: Layout, shell: Shell, report: Report, egress: bool = True) -> None:
    """Have the cluster ready.

    Raises:
        ToolchainError: this machine or user can't, something is in the way, or a daemon does not come up.
    """
    check_possible()
    network.check_not_others(layout)
    start = time.monotonic()
    with exclusive(layout.folder.with_suffix(".lock"), "cluster up"):
        told = {**nodes.recipe(layout, files.digest([layout.tools / ".cairn"])), "egress": egress}
        holder = nodes.find(layout)
        if holder is not None and layout.ready.exists() and _told(layout) == told:
            network.connect(layout, shell, holder, egress)
            _wait(layout, "the API server", _client(layout).answers)
            report(f"✓ cluster is up: {layout.kubeconfig} ({time.monotonic() - start:.1f} s)")
            return
        _start(layout, shell, report, told, egress)
    report(f"✓ cluster ready: {layout.kubeconfig} ({time.monotonic() - start:.1f} s)")


def check_possible() -> None:
    """See that this machine and user can have a node at all."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise ToolchainError(
            "the project's own cluster needs Linux and root",
            "install kind, k3d or minikube, or name a cluster of yours: KUBECONFIG=… or cairn:kubernetes in its config",
        )


def _told(layout: Layout) -> object:
    return json.loads(layout.recipe.read_text()) if layout.recipe.is_file() else None


def _client(layout: Layout) -> Api:
    return Api(pki.kubeconfig(layout, pki.ADMIN, f"https://127.0.0.1:{layout.api_port}"))


def _start(layout: Layout, shell: Shell, report: Report, told: dict[str, object], egress: bool) -> None:
    """Start the node: anew with what it had when it was ready once (after a reboot), else from nothing."""
    if layout.ready.exists():
        nodes.stop(layout)
        network.disconnect(layout, shell)
        report("· the cluster is started again with what it had")
    else:
        remove(layout, shell)
    network.check_free(layout, shell)
    upstream = nameservers() if egress else []
    if not layout.ready.exists():
        pki.make(layout, shell)
    configuration.write(layout, egress, upstream)
    holder = nodes.start(layout, told)
    network.connect(layout, shell, holder, egress)
    report("✓ node started")
    _wait(layout, "containerd", layout.socket.exists)
    images.take_own(layout)
    api = _client(layout)
    _wait(layout, "the API server", api.answers)
    report("✓ API server answers")
    for path, manifest in manifests(upstream, layout.process.read_text()):
        api.apply(path, manifest)
    _wait(layout, "the node", lambda: _condition(api, f"/api/v1/nodes/{names.NODE}", "Ready"))
    report("✓ node ready")
    _wait(
        layout, "the cluster's DNS", lambda: _rolled_out(api, f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/coredns")
    )
    _wait(
        layout,
        "the default service account",
        lambda: _exists(api, "/api/v1/namespaces/default/serviceaccounts/default"),
    )
    kubeconfig = pki.kubeconfig(layout, pki.ADMIN, f"https://127.0.0.1:{layout.api_port}")
    files.write(layout.kubeconfig, kubeconfig, mode=0o600)
    files.write(layout.ready, "")


def nameservers() -> list[str]:
    """The machine's name servers that a pod can reach: not those on the machine's loopback."""
    words = [line.split() for line in RESOLVER.read_text().splitlines()] if RESOLVER.is_file() else []
    named = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [address for address in named if not address.startswith("127.") and ":" not in address]


def _condition(api: Api, path: str, kind: str) -> bool:
    try:
        conditions = api.get(path)["status"].get("conditions", [])
    except Refused:
        return False
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _rolled_out(api: Api, path: str) -> bool:
    """Whether all pods are of the newest template and run: what is said of older ones may be from before a reboot."""
    deployment = api.get(path)
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    current = status.get("observedGeneration") == deployment["metadata"]["generation"]
    counts = [status.get(name) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    return current and counts == [wanted] * len(counts)


def _exists(api: Api, path: str) -> bool:
    try:
        api.get(path)
    except Refused:
        return False
    return True


def _wait(layout: Layout, what: str, there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not there():
        if nodes.find(layout) is None:
            raise ToolchainError(
                f"the node has ended while {what} was waited for:\n{_tail(layout.logs / 'node.log')}",
                f"mend what that says, then repeat; all logs are in {layout.logs}",
            )
        if time.monotonic() > deadline:
            raise ToolchainError(
                f"{what} is not ready after {READY_SECONDS} s; node.log:\n{_tail(layout.logs / 'node.log')}",
                f"read the logs in {layout.logs}, then repeat",
            )
        time.sleep(TICK_SECONDS)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    return "\n".join(f"    {line}" for line in lines[-15:])
