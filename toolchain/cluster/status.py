"""What of the cluster runs, with its memory and versions.

Called by commands.py.
"""

from pathlib import Path

from toolchain.cluster import layout as names
from toolchain.cluster import nodes
from toolchain.cluster.api import Api, Refused
from toolchain.cluster.daemons import daemons
from toolchain.cluster.layout import Layout
from toolchain.steps import Report

MIB = 1024 * 1024


def status(layout: Layout, report: Report) -> bool:
    """Say what runs and where; returns whether the cluster is ready."""
    holder = nodes.find(layout)
    if holder is None:
        left = layout.folder.exists()
        report("✗ the cluster does not run, but it did: `cluster up` starts it again" if left else "· no cluster")
        return False
    running = nodes.processes(holder)
    for daemon in daemons(layout):
        found = [process for process in running if process.command == daemon.command]
        sign, memory = ("✓", f"{found[0].memory // MIB} MiB") if found else ("✗", "does not run")
        report(f"  {sign} {daemon.name:24} {memory}")
    total = sum(process.memory for process in running)
    report(f"  {len(running)} processes with pods' own, {total // MIB} MiB (process {holder})")
    return _api(layout, report)


def _api(layout: Layout, report: Report) -> bool:
    if not layout.kubeconfig.exists():
        report("✗ it has never been ready: `cluster up` starts it anew")
        return False
    api = Api(layout.kubeconfig.read_text())
    try:
        version = api.get("/version")["gitVersion"]
        node = api.get(f"/api/v1/nodes/{names.NODE}")
    except Refused as problem:
        report(f"✗ the API server does not answer: {problem}")
        return False
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])
    runtime = node["status"]["nodeInfo"]["containerRuntimeVersion"]
    first, last = layout.node_ports
    report(f"{'✓' if ready else '✗'} node {'ready' if ready else 'not ready'}: Kubernetes {version}, {runtime}")
    report(f"  API https://127.0.0.1:{layout.api_port}, registry {layout.registry}, node ports {first} to {last}")
    report(f"  export KUBECONFIG={_short(layout.kubeconfig)}")
    return ready


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
