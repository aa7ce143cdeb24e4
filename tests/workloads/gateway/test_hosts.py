"""Host names for HAProxy's resolver: short ones are completed in a pod, and nowhere else."""

import pytest

from workloads.gateway import hosts

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
RESOLV_CONF = "search cairn-x.svc.cluster.local svc.cluster.local corp\nnameserver 10.96.0.10\noptions ndots:5\n"


def test_domain_of_a_pod() -> None:
    """It is the first that the kubelet wrote; a Docker container's are its host's, so they don't count."""
    assert hosts.domain(POD, RESOLV_CONF) == "cairn-x.svc.cluster.local"
    assert hosts.domain({}, RESOLV_CONF) == ""
    assert hosts.domain(POD, "nameserver 10.96.0.10\n") == ""


@pytest.mark.parametrize(
    ("server", "domain", "whole"),
    [
        ("api:8080", "x.svc", "api.x.svc:8080"),
        ("api:8080", "", "api:8080"),
        ("api.other:8080", "x.svc", "api.other:8080"),
        ("10.0.0.1:8080", "x.svc", "10.0.0.1:8080"),
    ],
)
def test_whole(server: str, domain: str, whole: str) -> None:
    """Only a short name is completed."""
    assert hosts.whole(server, domain) == whole
