"""A stack's namespace refuses by itself what the rules refuse, and lets nobody talk to whom it does not know."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pulumi_policy import PolicyResource, ReportViolation, StackValidationArgs, StackValidationPolicy

from policies.reading.kubernetes import is_a, is_workload, labels_of, namespace_of, section
from policies.reading.workloads import Properties
from policies.rules.making import Check, Config, resource_rule

LABEL_ENFORCE: Final = "pod-security.kubernetes.io/enforce"
LATEST: Final = "latest"
GROUP: Final = "networking.k8s.io"
DIRECTIONS: Final = ("Ingress", "Egress")


def restricted(props: Properties, _: Config) -> Iterator[str]:
    """Kubernetes' own admission holds every pod to the standard, whoever makes it."""
    level = labels_of(props).get(LABEL_ENFORCE)
    if level != "restricted":
        shown = f'enforces "{level}"' if level else "enforces nothing"
        yield f'{shown} on its pods; add "{LABEL_ENFORCE}": "restricted" to metadata.labels'
    version = labels_of(props).get(f"{LABEL_ENFORCE}-version", LATEST)
    if version != LATEST:
        yield f'enforces the standard as it was in {version}; set "{LABEL_ENFORCE}-version" to "{LATEST}"'


def _namespace_check(resource_type: str) -> Check | None:
    return restricted if is_a(resource_type, "core", "Namespace") else None


def default_deny(args: StackValidationArgs, report: ReportViolation) -> None:
    """Every namespace with a pod of the stack has NetworkPolicies that shut it in both directions."""
    pods = {namespace_of(each.props) for each in args.resources if is_workload(each.resource_type)}
    shut = {(namespace, direction) for namespace, direction in _shut(args.resources)}
    for namespace in sorted(pods):
        missing = [direction for direction in DIRECTIONS if (namespace, direction) not in shut]
        if missing:
            report(
                f"namespace {namespace} has no NetworkPolicy that denies {' and '.join(missing)} by default; "
                f"add one with podSelector: {{}}, policyTypes: {list(DIRECTIONS)} and no rules, and let in one by one",
                None,
            )


def _shut(resources: Iterable[PolicyResource]) -> Iterator[tuple[str, str]]:
    """Namespace and direction of every policy that holds for all pods and allows nothing."""
    for each in resources:
        spec: Any = section(each.props, "spec") if is_a(each.resource_type, GROUP, "NetworkPolicy") else {}
        selector = section(spec, "podSelector")
        if not spec or selector.get("matchLabels") or selector.get("matchExpressions"):
            continue
        for direction in spec.get("policyTypes") or ("Ingress",):
            if not spec.get(direction.lower()):
                yield namespace_of(each.props), direction


RULES: Final = (
    resource_rule("namespace-restricted", "Namespaces enforce Pod Security's restricted level.", _namespace_check),
    StackValidationPolicy(
        name="network-default-deny",
        description="In a namespace with pods nobody talks to anybody unless a NetworkPolicy says so.",
        validate=default_deny,
    ),
)
