"""What is reachable from where: ports of the services that the stack publishes, and only as its config says."""

from collections.abc import Iterator
from typing import Final

from policies import stack_config
from policies.reading.kubernetes import is_a, labels_of, section
from policies.reading.workloads import Container, Properties
from policies.rules.making import Check, Config, each, resource_rule, texts, workload_rule
from workloads import contract

LOOPBACK: Final = ("127.0.0.1", "::1")
INGRESS_GROUPS: Final = ("networking.k8s.io", "extensions")
INSIDE: Final = ("ClusterIP", "")
STACK_SETTING: Final = "cairn:kubernetes"
DEFAULT_EXPOSURE: Final = "NodePort"  # of cairn:kubernetes.expose
PUBLISHED_KINDS: Final = ["gateway", "object_store", "tracking"]


def ports_of_docker(container: Container, _: Config) -> Iterator[str]:
    """Published ports are bound to the host's loopback."""
    if container.props.get("publishAllPorts"):
        yield "publishes every port of its image; remove publishAllPorts and name the ports"
    for port in container.props.get("ports") or ():
        if port.get("ip") not in LOOPBACK:
            yield f"publishes port {port['internal']:g} on {port.get('ip') or 'every address'}; set its ip to 127.0.0.1"


def ports_of_kubernetes(container: Container, _: Config) -> Iterator[str]:
    """No container takes a port of its node: Services publish."""
    for port in container.props.get("ports") or ():
        if port.get("hostPort"):
            yield f"takes port {port['hostPort']:g} of its node; remove hostPort (Services publish)"


def service(props: Properties, config: Config) -> Iterator[str]:
    """A Service stays inside the cluster, unless its kind is published, and then only the way that the config names."""
    spec, kind = section(props, "spec"), labels_of(props).get(contract.LABEL_KIND, "")
    if spec.get("externalIPs"):
        yield "takes the addresses of others (externalIPs); remove externalIPs"
    exposed = str(spec.get("type") or "")
    if exposed in INSIDE:
        return
    if exposed == "ExternalName":
        yield "leads out of the cluster (ExternalName); remove it and let its clients name the host themselves"
    elif kind not in config["publishedKinds"]:
        published = ", ".join(config["publishedKinds"]) or "nothing"
        yield f'is reachable from outside the cluster ({exposed}); set type to "ClusterIP" (published are: {published})'
    elif config["types"] and exposed not in config["types"]:
        allowed = ", ".join(config["types"])
        yield f'is reachable by {exposed}, which the policy config refuses; set type to "ClusterIP" or to {allowed}'
    elif not config["types"] and exposed != _wanted():
        remedy = f'set cairn:kubernetes.expose to "{exposed}", or type to "ClusterIP"'
        yield f"is reachable by {exposed}, which the stack's config does not ask for; {remedy}"


def _wanted() -> str:
    """How the stack's config publishes."""
    return str(stack_config.section(STACK_SETTING).get("expose") or DEFAULT_EXPOSURE)


def ingress(props: Properties, _: Config) -> Iterator[str]:
    """Every host of an Ingress has a certificate, so that no token crosses a network in clear."""
    spec = section(props, "spec")
    covered = {host for each_one in spec.get("tls") or () for host in each_one.get("hosts") or ()}
    hosts = [str(rule.get("host") or "") for rule in spec.get("rules") or ()] or [""]
    for host in hosts:
        if not spec.get("tls") or (host and host not in covered):
            shown = host or "every host"
            yield f'serves {shown} without TLS; add {{hosts: ["{host}"], secretName: …}} to spec.tls'


def _service_check(resource_type: str) -> Check | None:
    return service if is_a(resource_type, "core", "Service") else None


def _ingress_check(resource_type: str) -> Check | None:
    return ingress if any(is_a(resource_type, group, "Ingress") for group in INGRESS_GROUPS) else None


RULES: Final = (
    workload_rule(
        "container-loopback-only",
        "Containers publish no port beyond 127.0.0.1.",
        docker=each(ports_of_docker),
        kubernetes=each(ports_of_kubernetes),
    ),
    resource_rule(
        "service-exposure",
        "Only what the stack publishes is reachable from outside the cluster, the way that its config names.",
        _service_check,
        config={
            "publishedKinds": texts(PUBLISHED_KINDS, "kinds that may be reachable from outside the cluster"),
            "types": texts([], "types of Service that may be so; when empty, what cairn:kubernetes.expose names"),
        },
    ),
    resource_rule("ingress-tls", "An Ingress serves nothing without TLS.", _ingress_check),
)
