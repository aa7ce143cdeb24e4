"""The stack as a whole: a namespace with pods has NetworkPolicies that shut it in both directions."""

from typing import Any

import pytest

from tests.policies.manifests import TYPES, changed, good
from tests.policies.support import resource, stack_complaints


def violations(*resources: tuple[str, dict[str, Any]]) -> list[str]:
    """What the rule says of a stack of these resources: kind and properties."""
    return stack_complaints("network-default-deny", [resource(TYPES[kind], props) for kind, props in resources])


def pods() -> tuple[str, dict[str, Any]]:
    """Something that makes pods."""
    return "Deployment", good("Deployment")


def test_shut() -> None:
    """One policy for both directions, or one for each."""
    assert violations(pods(), ("NetworkPolicy", good("NetworkPolicy"))) == []
    each = [("NetworkPolicy", changed("NetworkPolicy", {"spec policyTypes": [way]})) for way in ("Ingress", "Egress")]
    assert violations(pods(), *each) == []


def test_no_pods_no_policy() -> None:
    """A stack on Docker, or one without pods, needs none."""
    assert violations(("Service", good("Service"))) == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"spec policyTypes": ["Ingress"]}, "denies Egress"),
        ({"spec egress": [{}]}, "denies Egress"),
        ({"spec podSelector": {"matchLabels": {"a": "b"}}}, "denies Ingress and Egress"),
        ({"metadata namespace": "another"}, "denies Ingress and Egress"),
    ],
)
def test_open(changes: dict[str, Any], missing: str) -> None:
    """One direction open, some pods only, another namespace: the message says what is missing and how to add it."""
    (message,) = violations(pods(), ("NetworkPolicy", changed("NetworkPolicy", changes)))
    for words in ("namespace cairn-test", missing, "add one with podSelector: {}"):
        assert words in message


def test_without_any() -> None:
    """No policy at all."""
    assert len(violations(pods())) == 1
