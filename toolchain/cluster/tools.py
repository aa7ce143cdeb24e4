"""Clusters by kind, k3d and minikube: the commands that make one named `cairn`, with a registry on 127.0.0.1:5001.

Called by choice.py and stack/cluster.py. Untested against the real tools: none of them is where this project is built.
What the commands are, tests hold; the tools' documentation is what they follow.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from toolchain.setup import files
from toolchain.shell import Shell

NAME = "cairn"
REGISTRY = "127.0.0.1:5001"
REGISTRY_IMAGE = "registry:3"
LOG = "cluster-tool"
REMEDY = "see the log; or name a cluster of yours: KUBECONFIG=…"
Commands = list[list[str]]


@dataclass(frozen=True)
class Tool:
    """One of them: how it lists, makes, shows and removes a cluster."""

    program: str
    listing: list[str]
    create: Callable[[Path, Sequence[int]], Commands]
    kubeconfig: Callable[[Path], list[str]]
    delete: Commands

    def up(self, shell: Shell, folder: Path, ports: Sequence[int]) -> Path:
        """Have the cluster, with these node ports on the loopback; returns its kubeconfig."""
        file = folder / "kubeconfig"
        environment = {"KUBECONFIG": str(file)}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if NAME not in shell.ask(self.listing, timeout=60).text.split():
            for command in self.create(folder, ports):
                shell.run(LOG, command, REMEDY, env=environment)
        shell.run(LOG, self.kubeconfig(file), REMEDY, env=environment)
        return file

    def down(self, shell: Shell) -> None:
        """Remove the cluster and its registry."""
        for command in self.delete:
            shell.run(LOG, command, REMEDY)


def _mirror(server: str) -> str:
    """A command for a node's shell, after which containerd asks that server for our registry's images."""
    folder = f"/etc/containerd/certs.d/{REGISTRY}"
    return f"mkdir -p {folder} && echo '[host.\"{server}\"]' > {folder}/hosts.toml"


def _kind(folder: Path, ports: Sequence[int]) -> Commands:
    mappings = [
        {"containerPort": port, "hostPort": port, "listenAddress": "127.0.0.1", "protocol": "TCP"} for port in ports
    ]
    patch = '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"'
    cluster = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane", "extraPortMappings": mappings}],
        "containerdConfigPatches": [patch],
    }
    files.write(folder / "kind.yaml", json.dumps(cluster, indent=1))
    registry = f"{NAME}-registry"
    run = ["docker", "run", "--detach", "--restart", "always", "--publish", f"{REGISTRY}:5000", "--name", registry]
    return [
        ["kind", "create", "cluster", "--name", NAME, "--config", str(folder / "kind.yaml"), "--wait", "180s"],
        [*run, REGISTRY_IMAGE],
        ["docker", "network", "connect", "kind", registry],
        ["docker", "exec", f"{NAME}-control-plane", "sh", "-c", _mirror(f"http://{registry}:5000")],
    ]


def _k3d(folder: Path, ports: Sequence[int]) -> Commands:
    registry = f"k3d-{NAME}-registry"
    mirrors = {"mirrors": {REGISTRY: {"endpoint": [f"http://{registry}:5000"]}}}
    files.write(folder / "registries.yaml", json.dumps(mirrors, indent=1))
    published = [word for port in ports for word in ("--port", f"127.0.0.1:{port}:{port}@server:0")]
    create = ["k3d", "cluster", "create", NAME, "--registry-config", str(folder / "registries.yaml"), "--wait"]
    return [
        ["k3d", "registry", "create", f"{NAME}-registry", "--port", REGISTRY],
        [*create, "--registry-use", f"{registry}:5000", "--kubeconfig-update-default=false", *published],
    ]


def _minikube(_folder: Path, ports: Sequence[int]) -> Commands:
    published = ",".join([f"{REGISTRY}:5000", *(f"127.0.0.1:{port}:{port}" for port in ports)])
    profile = ["--profile", NAME]
    return [
        [
            "minikube",
            "start",
            *profile,
            "--driver",
            "docker",
            "--container-runtime",
            "containerd",
            "--ports",
            published,
        ],
        ["minikube", "addons", "enable", "registry", *profile],
        ["docker", "exec", NAME, "sh", "-c", _mirror("http://127.0.0.1:5000")],
    ]


TOOLS = (
    Tool(
        "kind",
        ["kind", "get", "clusters"],
        _kind,
        lambda file: ["kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", str(file)],
        [["kind", "delete", "cluster", "--name", NAME], ["docker", "rm", "--force", "--volumes", f"{NAME}-registry"]],
    ),
    Tool(
        "k3d",
        ["k3d", "cluster", "list", "--no-headers"],
        _k3d,
        lambda file: ["k3d", "kubeconfig", "write", NAME, "--output", str(file)],
        [["k3d", "cluster", "delete", NAME], ["k3d", "registry", "delete", f"k3d-{NAME}-registry"]],
    ),
    Tool(
        "minikube",
        ["minikube", "profile", "list", "--light", "--output", "table"],
        _minikube,
        lambda _file: ["minikube", "update-context", "--profile", NAME],
        [["minikube", "delete", "--profile", NAME]],
    ),
)
