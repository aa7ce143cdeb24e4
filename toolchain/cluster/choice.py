"""Which cluster a Kubernetes stack gets on this machine.

Called by stack/cluster.py and __main__.py. In this order: the one that the stack's config names, $KUBECONFIG's, one
made by kind, k3d or minikube where installed, the project's own. ~/.kube/config alone decides nothing: what it leads to
may be anything.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toolchain.cluster.tools import TOOLS, Tool
from toolchain.stack.config import ClusterConfig


@dataclass(frozen=True)
class Named:
    """A cluster that the user has named; nothing is made and nothing taken away."""

    kubeconfig: str | None
    context: str | None


@dataclass(frozen=True)
class Made:
    """A cluster that an installed tool makes."""

    tool: Tool


@dataclass(frozen=True)
class Own:
    """The project's own."""


Choice = Named | Made | Own


def choose(
    wanted: ClusterConfig, environ: Mapping[str, str], which: Callable[[str], str | None] = shutil.which
) -> Choice:
    """The stack's cluster."""
    if wanted.kubeconfig or wanted.context or environ.get("KUBECONFIG"):
        return Named(wanted.kubeconfig or environ.get("KUBECONFIG"), wanted.context)
    tool = next((tool for tool in TOOLS if which(tool.program)), None)
    return Made(tool) if tool and which("docker") else Own()
