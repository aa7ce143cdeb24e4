"""What a stack's file says about its cluster, before anything of the platform can be asked.

Called by __main__.py and stack/cluster.py.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from toolchain.machine import Machine
from toolchain.shell import Shell, ToolchainError

KUBERNETES = "kubernetes"
# PyYAML is in the environment, not beneath this program.
READER = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"


@dataclass(frozen=True)
class ClusterConfig:
    """A Kubernetes stack's own words: which cluster, which ports on this machine."""

    kubeconfig: str | None
    context: str | None
    node_ports: tuple[int, ...]


def mentions_kubernetes(file: Path) -> bool:
    """Whether it is worth reading: other stacks need neither the environment for it nor a cluster."""
    return file.is_file() and KUBERNETES in file.read_text()


def read(machine: Machine, shell: Shell, file: Path) -> ClusterConfig | None:
    """The stack's cluster; None for a stack that is on another backend.

    Raises:
        ToolchainError: the file is no YAML.
    """
    if not mentions_kubernetes(file):
        return None
    said = shell.ask([str(machine.python), "-c", READER, str(file)], timeout=60)
    if said.code:
        raise ToolchainError(f"{file}: {said.text.splitlines()[-1]}", "mend the file")
    config = (json.loads(said.text) or {}).get("config", {})
    if config.get("cairn:backend") != KUBERNETES:
        return None
    cluster = config.get("cairn:kubernetes") or {}
    ports = config.get("cairn:ports") or {}
    return ClusterConfig(cluster.get("kubeconfig"), cluster.get("context"), tuple(sorted(ports.values())))
