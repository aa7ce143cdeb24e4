"""The stack's networks: bridges on which services find each other by name, and none of which leads out.

The host has no address on them, so that its users reach containers only where a port is published. Published ports need
a bridge with the host on it: the services that publish share one whose packets are not translated, so no answer from
outside ever finds its way back. The jobs' way out and the networks of model servers are made by the controllers
(workloads/controllers/engines/docker_networks.py), which also join the platform's services to those; only a declared
server's network is made here.
"""

from collections.abc import Mapping
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.backends.base import ServiceSpec
from infra.backends.labels import labels
from workloads import contract
from workloads.plans.subnets import MADE_BY_PULUMI, candidates

PUBLISHED: Final = "published"
BRIDGE: Final = "com.docker.network.bridge"
INSIDE: Final = {f"{BRIDGE}.inhibit_ipv4": "true"}
OUTSIDE: Final = {f"{BRIDGE}.enable_ip_masquerade": "false"}


def joined(spec: ServiceSpec) -> list[str]:
    """The networks that a service is made on."""
    published = any(port.publish is not None for port in spec.ports)
    return [
        *(name for name in spec.networks if name != contract.NETWORK_SERVERS),
        *([PUBLISHED] if published else []),
    ]


def create(stack: str, name: str) -> docker.Network:
    """A network of the stack, not of the component that happened to need it first."""
    return _network(stack, name, labels(stack, "network", name), pulumi.ResourceOptions())


def of_group(stack: str, group: str, opts: pulumi.ResourceOptions) -> docker.Network:
    """The network of a declared model's servers, with a small address range of its own."""
    marked = {**labels(stack, "network", group), contract.LABEL_NETWORK: contract.NETWORK_SERVERS}
    subnet = next(candidates(network_name(stack, group), MADE_BY_PULUMI))
    return _network(stack, group, marked, opts, [docker.NetworkIpamConfigArgs(subnet=subnet)])


def _network(
    stack: str,
    name: str,
    marked: Mapping[str, str],
    opts: pulumi.ResourceOptions,
    ranges: list[docker.NetworkIpamConfigArgs] | None = None,
) -> docker.Network:
    return docker.Network(
        name,
        name=network_name(stack, name),
        driver="bridge",
        internal=name != PUBLISHED,
        options=OUTSIDE if name == PUBLISHED else INSIDE,
        ipam_configs=ranges,
        labels=[docker.NetworkLabelArgs(label=key, value=value) for key, value in sorted(marked.items())],
        opts=opts,
    )


def network_name(stack: str, name: str) -> str:
    """The engine's name of a network."""
    return f"cairn-{stack}-{name}"
