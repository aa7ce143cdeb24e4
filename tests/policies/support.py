"""A good Docker container as Pulumi's engine shows it to policies, and running rules on any resource."""

from typing import Any

from pulumi_policy import (
    PolicyResource,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from policies.reading.docker import CONTAINER
from policies.rules import ALL
from workloads import contract

LABELS = {
    contract.LABEL_STACK: "test",
    contract.LABEL_KIND: "api",
    contract.LABEL_NAME: "api",
    contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI,
}


def labels(**changes: str) -> list[dict[str, str]]:
    """The required labels with some changed by their last word: kind="job_runner"."""
    changed = {f"cairn.{name.replace('_', '-')}": value for name, value in changes.items()}
    return [{"label": name, "value": value} for name, value in {**LABELS, **changed}.items()]


GOOD: dict[str, Any] = {
    "image": "cairn/api:0123456789abcdef",
    "user": "10001:10001",
    "readOnly": True,
    "securityOpts": ["no-new-privileges:true"],
    "capabilities": {"drops": ["ALL"]},
    "memory": 512.0,
    "memorySwap": 512.0,
    "cpus": "0.5",
    "ulimits": [{"name": "nproc", "soft": 1024.0, "hard": 1024.0}],
    "logDriver": "json-file",
    "logOpts": {"max-size": "10m"},
    "ports": [{"internal": 8080.0, "external": 8080.0, "ip": "127.0.0.1"}],
    "envs": ["PATH=/bin", "CAIRN_TOKEN_FILE=/run/secrets/token"],
    "mounts": [{"type": "volume", "source": "cairn-test-api", "target": "/data"}],
    "labels": labels(),
    "restart": "unless-stopped",
    "healthcheck": {"tests": ["CMD", "true"], "interval": "5s"},
}


def rule(name: str) -> ResourceValidationPolicy:
    """The pack's rule of that name."""
    (found,) = [each for each in ALL if each.name == name]
    assert isinstance(found, ResourceValidationPolicy)
    return found


def violations(
    name: str, resource_type: str = CONTAINER, config: dict[str, Any] | None = None, **changes: Any
) -> list[str]:
    """What the rule says of the good container with these changes; None removes a property."""
    props = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return complaints(rule(name), resource_type, props, config)


def complaints(
    asked: ResourceValidationPolicy, resource_type: str, props: dict[str, Any], config: dict[str, Any] | None = None
) -> list[str]:
    """What a rule says of a resource named "it"."""
    arguments = ResourceValidationArgs(
        resource_type, props, "urn", "it", None, None, config=config or {}  # type: ignore[arg-type]
    )  # fmt: skip
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        found.append(message)

    asked.validate(arguments, report)
    return found


def resource(resource_type: str, props: dict[str, Any]) -> PolicyResource:
    """A resource as rules of the whole stack see it."""
    return PolicyResource(resource_type, props, "urn", "it", None, None, None, [], {})  # type: ignore[arg-type]


def stack_complaints(name: str, resources: list[PolicyResource], config: dict[str, Any] | None = None) -> list[str]:
    """What the rule of that name says of a stack of these resources."""
    (asked,) = [each for each in ALL if each.name == name]
    assert isinstance(asked, StackValidationPolicy)
    found: list[str] = []

    def report(message: str, urn: str | None = None) -> None:
        found.append(message)

    asked.validate(StackValidationArgs(resources, config or {}), report)
    return found


def refusals(resource_type: str, props: dict[str, Any]) -> dict[str, list[str]]:
    """What every rule says of a resource, without those that have nothing to say."""
    rules = [each for each in ALL if isinstance(each, ResourceValidationPolicy)]
    said = {each.name: complaints(each, resource_type, props) for each in rules}
    return {name: messages for name, messages in said.items() if messages}
