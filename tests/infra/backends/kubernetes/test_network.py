"""Networks as NetworkPolicies: who may call whom, and who gets out."""

from dataclasses import replace
from typing import Any

import pulumi
import pytest

from infra.backends.base import PortSpec, ServiceSpec
from tests.infra.program import Declared, declare, kubernetes
from workloads import contract
from workloads.plans.container import Resources

SPEC = ServiceSpec("web", "api", "x/web:0", Resources(0.5, 512), ports=(PortSpec(80),))
BOTH = replace(SPEC, networks=(contract.NETWORK_PLATFORM, contract.NETWORK_WORKLOADS))
FROM_WORKLOADS = [{"podSelector": {"matchLabels": {"cairn.network/workloads": "true"}}}]


def declared(spec: ServiceSpec = SPEC, **changes: Any) -> Declared:
    """A service alone in its stack."""

    def program() -> dict[str, Any]:
        kubernetes(**changes).service(spec, pulumi.ResourceOptions())
        return {}

    return declare(program)


def policy(name: str, spec: ServiceSpec = SPEC, **changes: Any) -> dict[str, Any]:
    """A policy's spec."""
    found: dict[str, Any] = declared(spec, **changes).manifest("v1:NetworkPolicy", name)["spec"]
    return found


def test_nothing_is_allowed_but_what_is_said() -> None:
    """Every pod is denied everything, in and out, and may ask for names."""
    assert policy("default-deny") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = policy("dns")["egress"]
    assert {(port["port"], port["protocol"]) for port in rule["ports"]} == {(53, "TCP"), (53, "UDP")}


def test_pods_carry_their_networks() -> None:
    """The labels that the policies go by are on the pods, one for each network."""
    labels = declared(BOTH).pods()["web"]["metadata"]["labels"]
    assert (labels["cairn.network/platform"], labels["cairn.network/workloads"]) == ("true", "true")
    assert "cairn.network/workloads" not in declared().pods()["web"]["metadata"]["labels"]


def test_services_of_the_platform_have_no_way_out() -> None:
    """They reach each other only."""
    spec = policy("platform")
    assert spec["egress"] == [{"to": [{"podSelector": {"matchLabels": {"cairn.network/platform": "true"}}}]}]
    assert "ipBlock" not in str(spec)


@pytest.mark.parametrize(("name", "out"), [("workloads", False), ("servers", False), ("egress", True)])
def test_egress(name: str, out: bool) -> None:
    """Only pods with a way out have one, though never to a cloud's metadata; no service matches."""
    spec = policy(name)
    assert ("0.0.0.0/0" in str(spec)) is out
    assert ("169.254.0.0/16" in str(spec)) is out
    expressions = spec["podSelector"]["matchExpressions"]
    assert expressions == [{"key": "cairn.network/platform", "operator": "DoesNotExist"}]


def test_only_the_gateway_and_drivers_call_model_servers() -> None:
    """They ask for no credentials; neither jobs nor each other nor other services get in."""
    (rule,) = policy("servers")["ingress"]
    allowed = [each["podSelector"]["matchLabels"] for each in rule["from"]]
    assert allowed == [
        {"cairn.kind": "gateway"},
        {"cairn.kind": "batch_prediction_job", "cairn.network/workloads": "true"},
    ]
    gateway = policy("web", replace(SPEC, kind="gateway"))
    assert gateway["egress"] == [{"to": [{"podSelector": {"matchLabels": {"cairn.network/servers": "true"}}}]}]


def test_model_servers_call_services_only() -> None:
    """Those of the platform that are on their network."""
    (rule,) = policy("servers")["egress"]
    assert rule["to"] == [
        {"podSelector": {"matchLabels": {"cairn.network/servers": "true", "cairn.network/platform": "true"}}}
    ]


def test_jobs_reach_services_on_their_network_on_their_ports() -> None:
    """And others not at all: those have no policy that lets them in."""
    spec = policy("web", BOTH)
    assert spec["ingress"] == [{"from": FROM_WORKLOADS, "ports": [{"port": 80, "protocol": "TCP"}]}]
    assert "web" not in {each["metadata"]["name"] for each in declared().of_kind("v1:NetworkPolicy")}


def test_published_ports_are_open() -> None:
    """To anybody, as clients come from anywhere; the other ports are not."""
    spec = policy("web", replace(SPEC, ports=(PortSpec(80, 30080), PortSpec(81))))
    assert spec["ingress"] == [{"ports": [{"port": 80, "protocol": "TCP"}]}]


def test_only_who_talks_to_the_engine_reaches_the_api_server() -> None:
    """Its ports, wherever it is: no label selects it."""
    spec = policy("web", replace(SPEC, engine_access=True))
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} >= {443, 6443}


def test_replicas_have_names() -> None:
    """A headless Service gives the containers of a job their hosts, before they are ready too."""
    spec = declared().manifest("v1:Service", "workloads")["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"] == {"cairn.managed-by": "controllers"}
