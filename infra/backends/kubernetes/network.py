"""Networks as NetworkPolicies: nothing is allowed but what is said here. Enforced where the cluster's network does it.

A pod is on a contract network when it has its label (`pods.network_label`). Only pods on the network of that name have
a way out of the cluster: jobs that may. Model servers ask for no credentials, so only the gateway calls them, and the
drivers of batch jobs theirs.
"""

from collections.abc import Iterable
from typing import Any, Final

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.networking import v1 as networking

from infra.backends.base import ServiceSpec
from infra.backends.kubernetes.labels import selector
from infra.backends.kubernetes.namespace import SKIP_AWAIT, Home
from workloads import contract
from workloads.plans import batch
from workloads.plans.pods import NETWORK_PREFIX, REPLICA_DOMAIN, network_label

Rule = dict[str, Any]
DNS_PORT: Final = 53
LINK_LOCAL: Final = "169.254.0.0/16"  # a node's own DNS cache answers there, and clouds tell their machines' secrets
API_SERVER_PORTS: Final = (443, 6443, 8443, 16443)  # of the Service, and of clusters' API servers behind it
CALLERS: Final = (contract.NETWORK_WORKLOADS, contract.NETWORK_SERVERS)  # who may call services on their network
GATEWAY: Final = "gateway"  # the kind that calls model servers
NO_SERVICE: Final[Rule] = {
    "matchExpressions": [{"key": f"{NETWORK_PREFIX}{contract.NETWORK_PLATFORM}", "operator": "DoesNotExist"}]
}
EVERYWHERE: Final = (("0.0.0.0/0", [LINK_LOCAL]), ("::/0", ["fe80::/10"]))


def create(home: Home) -> list[pulumi.Resource]:
    """The stack's policies, and the Service that gives the containers of jobs their host names."""
    policies: dict[str, Rule] = {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "dns": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [_dns()]},
        contract.NETWORK_PLATFORM: _among(contract.NETWORK_PLATFORM),
        contract.NETWORK_WORKLOADS: _workloads(),
        contract.NETWORK_SERVERS: _servers(),
        contract.NETWORK_EGRESS: _egress(),
    }
    return [*(_policy(home, name, spec) for name, spec in policies.items()), _replicas(home)]


def of_service(home: Home, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """The policy of a service which jobs or servers may call, which clients outside reach, or which calls servers."""
    ingress, egress = list[Rule](), list[Rule]()
    if callers := [_on(name) for name in CALLERS if name in spec.networks]:
        ingress.append({"from": callers, "ports": [_tcp(each.port) for each in spec.ports]})
    if spec.kind == GATEWAY:
        egress.append({"to": [_on(contract.NETWORK_SERVERS)]})
    published = [_tcp(each.port) for each in spec.ports if each.publish is not None]
    if published:
        ingress.append({"ports": published})
    if spec.engine_access:
        egress.append({"ports": [_tcp(port) for port in API_SERVER_PORTS]})
    if not ingress and not egress:
        return []
    wanted = {
        "podSelector": {"matchLabels": selector(spec.kind, spec.name)},
        "policyTypes": [*(["Ingress"] if ingress else []), *(["Egress"] if egress else [])],
        **({"ingress": ingress} if ingress else {}),
        **({"egress": egress} if egress else {}),
    }
    return [_policy(home, spec.name, wanted, opts)]


def _policy(home: Home, name: str, spec: Any, opts: pulumi.ResourceOptions | None = None) -> networking.NetworkPolicy:
    metadata = home.metadata("network", name)
    return networking.NetworkPolicy(f"network-{name}", metadata=metadata, spec=spec, opts=home.options(opts))


def _on(network: str) -> Rule:
    return {"podSelector": {"matchLabels": network_label(network)}}


def _among(network: str) -> Rule:
    """Its pods reach each other, on every port."""
    return {
        **_on(network),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [_on(network)]}],
        "egress": [{"to": [_on(network)]}],
    }


def _workloads() -> Rule:
    """Jobs reach each other and, as far as those let them, the services on their network and their model servers."""
    among = _among(contract.NETWORK_WORKLOADS)
    return {
        **among,
        "podSelector": {**among["podSelector"], **NO_SERVICE},
        "egress": [*among["egress"], {"to": [_on(contract.NETWORK_SERVERS)]}],
    }


def _servers() -> Rule:
    """Model servers call services on their network, and are called by the gateway and by drivers of batch jobs."""
    driver = {contract.LABEL_KIND: batch.KIND, **network_label(contract.NETWORK_WORKLOADS)}
    callers = [{contract.LABEL_KIND: GATEWAY}, driver]
    return {
        "podSelector": {"matchLabels": network_label(contract.NETWORK_SERVERS), **NO_SERVICE},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [{"podSelector": {"matchLabels": each}} for each in callers]}],
        "egress": [{"to": [_services(contract.NETWORK_SERVERS)]}],
    }


def _services(network: str) -> Rule:
    """The platform's services on a network."""
    both = {**network_label(network), **network_label(contract.NETWORK_PLATFORM)}
    return {"podSelector": {"matchLabels": both}}


def _egress() -> Rule:
    """Out of the cluster, but not to what is told only to machines."""
    out = [{"to": [_block(cidr, spared) for cidr, spared in EVERYWHERE]}]
    return {
        "podSelector": {"matchLabels": network_label(contract.NETWORK_EGRESS), **NO_SERVICE},
        "policyTypes": ["Egress"],
        "egress": out,
    }


def _dns() -> Rule:
    """Names are asked of pods of the cluster and of a node's own cache."""
    to: list[Rule] = [{"namespaceSelector": {}}, _block(LINK_LOCAL, [])]
    return {"to": to, "ports": [_tcp(DNS_PORT), {"port": DNS_PORT, "protocol": "UDP"}]}


def _tcp(port: int) -> Rule:
    return {"port": port, "protocol": "TCP"}


def _block(cidr: str, spared: Iterable[str]) -> Rule:
    without = list(spared)
    return {"ipBlock": {"cidr": cidr, **({"except": without} if without else {})}}


def _replicas(home: Home) -> core.Service:
    """Without an address of its own: it makes `<container>.workloads` the name of a job's container."""
    spec: Any = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS},
    }
    metadata = home.metadata("network", REPLICA_DOMAIN)
    metadata["annotations"] = {**metadata.get("annotations", {}), **SKIP_AWAIT}
    return core.Service(REPLICA_DOMAIN, metadata=metadata, spec=spec, opts=home.options())
