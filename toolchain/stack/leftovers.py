"""What the engine holds of a stack, found by its label, and taking away what the controllers made.

Called by stack/commands.py around `pulumi destroy`: containers of jobs and model servers are not in Pulumi's state, and
networks and volumes cannot go before them.
"""

from dataclasses import dataclass
from typing import Protocol

from toolchain.shell import Shell, ToolchainError

# The names in workloads/contract.py; a test holds them together. (This package starts before anything is installed.)
LABEL_STACK = "cairn.stack"
LABEL_KIND = "cairn.kind"
LABEL_MANAGED_BY = "cairn.managed-by"
LABEL_NETWORK = "cairn.network"  # of a network of model servers
CONTROLLERS = "controllers"
ON_NETWORKS = ("gateway", CONTROLLERS)  # the services that the controllers put on those
KINDS = ("container", "volume", "network")
REMEDY = "see `docker ps -a`, then repeat"


class Holder(Protocol):
    """What runs a stack: a Docker engine (below) or a cluster (cluster.py)."""

    @property
    def program(self) -> str:
        """What a user looks at it with."""
        ...

    @property
    def things(self) -> str:
        """What of a stack may be left in it."""
        ...

    def stop_made_by_controllers(self) -> list[str]:
        """Stop the controllers, remove what they made, and say what that was."""
        ...

    def left(self) -> list[str]:
        """What it still has of the stack."""
        ...

    def remove_all(self) -> None:
        """Remove whatever carries the stack's label."""
        ...


@dataclass(frozen=True)
class Engine:
    """This machine's Docker engine."""

    shell: Shell
    stack: str
    program: str = "docker"
    things: str = "container, volume or network"

    def stop_made_by_controllers(self) -> list[str]:
        """See Holder."""
        made = remove_made_by_controllers(self.shell, self.stack)
        return [f"{thing.kind} {thing.name}" for thing in made]

    def left(self) -> list[str]:
        """See Holder."""
        return [f"{thing.kind} {thing.name}" for thing in find(self.shell, self.stack)]

    def remove_all(self) -> None:
        """See Holder."""
        _remove(self.shell, find(self.shell, self.stack))


@dataclass(frozen=True)
class Thing:
    """A container, volume or network."""

    kind: str
    name: str


def find(shell: Shell, stack: str, *labels: str) -> list[Thing]:
    """Everything that has the stack's label, and those further labels."""
    return [Thing(kind, name) for kind in KINDS for name in _names(shell, kind, _labelled(stack, *labels))]


def _labelled(stack: str, *labels: str) -> list[str]:
    return [part for label in (f"{LABEL_STACK}={stack}", *labels) for part in ("--filter", f"label={label}")]


def _names(shell: Shell, kind: str, filters: list[str]) -> list[str]:
    listing = {
        "container": ["docker", "ps", "--all", "--format", "{{.Names}}"],
        "volume": ["docker", "volume", "ls", "--format", "{{.Name}}"],
        "network": ["docker", "network", "ls", "--format", "{{.Name}}"],
    }[kind]
    said = shell.ask([*listing, *filters], timeout=30)
    if said.code:
        raise ToolchainError(
            f"the Docker engine does not list its {kind}s: {said.text}", "see that it runs, then repeat"
        )
    return said.text.split()


def remove_made_by_controllers(shell: Shell, stack: str) -> list[Thing]:
    """Stop the controllers, so that nothing new appears, then remove what they made.

    Declared servers' networks are Pulumi's to remove, which needs them without what the controllers put there.
    """
    services, controllers = [f"cairn-{stack}-{name}" for name in ON_NETWORKS], f"cairn-{stack}-{CONTROLLERS}"
    if shell.ask(["docker", "container", "inspect", controllers]).code == 0:
        shell.run("down", ["docker", "stop", "--time", "10", controllers], REMEDY)
    made = find(shell, stack, f"{LABEL_MANAGED_BY}={CONTROLLERS}")
    _remove(shell, made)
    for network in _names(shell, "network", _labelled(stack, LABEL_NETWORK)):
        for container in _on(shell, network):
            if container in services:
                _take_off(shell, network, container)
    return made


def _remove(shell: Shell, things: list[Thing]) -> None:
    for kind in KINDS:
        names = [thing.name for thing in things if thing.kind == kind]
        for name in names if kind == "network" else ():
            for container in _on(shell, name):
                _take_off(shell, name, container)
        if names:
            force = ["--force", "--volumes"] if kind == "container" else []
            shell.run("down", ["docker", kind, "rm", *force, *names], REMEDY)


def _on(shell: Shell, network: str) -> list[str]:
    """The containers on a network, stopped ones too, which would not start again without it."""
    return _names(shell, "container", ["--filter", f"network={network}"])


def _take_off(shell: Shell, network: str, container: str) -> None:
    shell.run("down", ["docker", "network", "disconnect", "--force", network, container], REMEDY)
