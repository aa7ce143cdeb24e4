"""The cluster of a Kubernetes stack: there before Pulumi runs, free of the stack's things afterwards, gone when unused.

Called by __main__.py around the commands of commands.py.
"""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from toolchain.cluster import down as own_down
from toolchain.cluster import up as own_up
from toolchain.cluster.choice import Choice, Made, Named, Own, choose
from toolchain.cluster.layout import Layout, layout
from toolchain.machine import Machine
from toolchain.shell import Shell, ToolchainError
from toolchain.stack import config
from toolchain.stack.cli import Cli
from toolchain.stack.config import ClusterConfig
from toolchain.steps import Report

OBJECTS = "toolchain.stack.cluster_objects"
ANSWER_SECONDS = 240


@dataclass(frozen=True)
class StackCluster:
    """Where a stack is, and how it is reached."""

    machine: Machine
    shell: Shell
    stack: str
    config: ClusterConfig
    choice: Choice
    program: str = "kubectl"
    things: str = "namespace, volume or cluster-wide object"

    @property
    def own(self) -> Layout:
        """The project's own cluster of this checkout."""
        return layout(self.machine)

    def up(self, report: Report) -> None:
        """Have the cluster."""
        match self.choice:
            case Own():
                own_up.up(self.own, self.shell, report)
            case Made(tool):
                tool.up(self.shell, self._made, self.config.node_ports)
                report(f"✓ cluster by {tool.program}: {self._made / 'kubeconfig'}")

    def there(self) -> bool:
        """Whether there may be something to take away; a cluster of ours that is gone took all with it."""
        match self.choice:
            case Named():
                return True
            case Made():
                return self._made.exists()
            case Own():
                return self.own.folder.exists()

    def machine_with_kubeconfig(self) -> Machine:
        """The machine whose environment leads Pulumi to the cluster."""
        if self.kubeconfig is None:
            return self.machine
        return replace(self.machine, environ={**self.machine.environ, "KUBECONFIG": self.kubeconfig})

    @property
    def kubeconfig(self) -> str | None:
        """The file that leads to the cluster; None: the official client's own rules."""
        match self.choice:
            case Named(kubeconfig, _context):
                return kubeconfig
            case Made():
                return str(self._made / "kubeconfig")
            case Own():
                return str(self.own.kubeconfig)

    @property
    def _made(self) -> Path:
        return self.machine.home / "cluster-tool"

    def stop_made_by_controllers(self) -> list[str]:
        """Stop the controllers and remove what they made; says what that was."""
        return self._ask("stop")

    def left(self) -> list[str]:
        """What the cluster still has of the stack."""
        return self._ask("left")

    def remove_all(self) -> None:
        """Remove the namespace and what of the stack is in none."""
        self._ask("remove")

    def down(self, report: Report) -> None:
        """Take the cluster away if it is ours and nobody else's stack is in it."""
        if isinstance(self.choice, Named):
            return
        others = [name for name in self._ask("stacks") if name != self.stack]
        if others:
            report(f"· the cluster stays: stack {', '.join(others)} is in it (python3 -m toolchain cluster down)")
            return
        if isinstance(self.choice, Made):
            self.choice.tool.down(self.shell)
            shutil.rmtree(self._made)
            report(f"✓ cluster by {self.choice.tool.program} removed")
        else:
            own_down.down(self.own, self.shell, report)

    def _ask(self, command: str) -> list[str]:
        """The answer of cluster_objects.py, which needs the environment's packages."""
        words = [str(self.machine.python), "-P", "-m", OBJECTS, command, self.stack]
        named = [self.config.context] if self.config.context else []
        environment = {**self.machine_with_kubeconfig().environ, "PYTHONPATH": str(self.machine.root)}
        said = self.shell.ask([*words, *named], timeout=ANSWER_SECONDS, env=environment)
        if said.code:
            raise ToolchainError(f"the cluster of stack {self.stack}: {said.text}", "see that it runs, then repeat")
        return [str(each) for each in json.loads(said.text)]


def of(machine: Machine, shell: Shell, stack: str) -> StackCluster | None:
    """The stack's cluster; None for a stack on the Docker engine."""
    wanted = config.read(machine, shell, Cli(machine, shell, stack).file)
    if wanted is None:
        return None
    return StackCluster(machine, shell, stack, wanted, choose(wanted, machine.environ))
