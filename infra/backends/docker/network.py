"""The stack's networks: bridges on which services find each other by name."""

import pulumi_docker as docker

from infra.backends.labels import labels
from workloads import contract


def create(stack: str, name: str, *, egress: bool) -> docker.Network:
    """A bridge network of the stack, not of the component that happened to need it first.

    Without `egress` the workloads' network has no way out but through its members; the platform's keeps one, since
    ports are only published over such a network.
    """
    return docker.Network(
        name,
        name=network_name(stack, name),
        driver="bridge",
        internal=name == contract.NETWORK_WORKLOADS and not egress,
        labels=[
            docker.NetworkLabelArgs(label=key, value=value) for key, value in labels(stack, "network", name).items()
        ],
    )


def network_name(stack: str, name: str) -> str:
    """The engine's name of a network."""
    return f"cairn-{stack}-{name}"
