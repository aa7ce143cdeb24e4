"""Where a service is reached: inside by its name, outside as `cairn:kubernetes.expose` says."""

from typing import Any

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra.backends.base import PortSpec, ServiceSpec
from infra.backends.kubernetes.labels import namespace_name, selector
from infra.backends.kubernetes.namespace import SKIP_AWAIT, Home
from infra.cluster_settings import CLUSTER_IP, LOAD_BALANCER, NODE_PORT, Cluster


def hosts(stack: str, cluster: Cluster) -> tuple[str, ...]:
    """Names under which clients outside call, "*" when the cluster gives one later."""
    forwarded = ("127.0.0.1", "localhost")  # kubectl port-forward
    if cluster.expose == LOAD_BALANCER:
        return ("*",)
    if cluster.expose == CLUSTER_IP:
        return (f"*.{namespace_name(stack)}.svc", f"*.{namespace_name(stack)}.svc.*", *forwarded)
    return tuple(dict.fromkeys((cluster.host, *forwarded)))


def inside(home: Home, spec: ServiceSpec, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """The Service of the service's name. Not waited for: it is made before the pods that it finds."""
    if not spec.ports:
        return []
    ports = [_port(each) for each in spec.ports]
    return [_service(home, spec, spec.name, {"type": CLUSTER_IP, "ports": ports}, home.options(opts))]


def outside(
    home: Home, spec: ServiceSpec, workload: pulumi.Resource, opts: pulumi.ResourceOptions
) -> dict[int, pulumi.Input[str]]:
    """The Service for clients outside, where a port is published.

    Returns:
        Where they reach the published ports.
    """
    publish = {each.port: each.publish for each in spec.ports if each.publish is not None}
    if not publish or home.cluster.expose == CLUSTER_IP:
        name = f"{spec.name}.{namespace_name(home.stack)}.svc"
        return {port: f"http://{name}:{port}" for port in publish}
    ports = [_published_port(each, home.cluster.expose) for each in spec.ports if each.publish is not None]
    wanted = {"type": home.cluster.expose, "ports": ports}
    made = _service(home, spec, f"{spec.name}-published", wanted, home.options(opts, [workload]))
    host = _host(home.cluster, made)
    return {port: pulumi.Output.format("http://{0}:{1}", host, number) for port, number in publish.items()}


def _service(
    home: Home, spec: ServiceSpec, name: str, wanted: dict[str, Any], opts: pulumi.ResourceOptions
) -> core.Service:
    metadata = home.metadata(spec.kind, spec.name, name)
    if wanted["type"] != LOAD_BALANCER:  # which is there once it has its address
        metadata["annotations"] = {**metadata.get("annotations", {}), **SKIP_AWAIT}
    selected: Any = {**wanted, "selector": selector(spec.kind, spec.name)}
    if spec.mounts:
        # There is one pod at most: nobody else could answer instead. And for a moment after a restart of its node's
        # kubelet a pod that serves well is not ready (kubernetes/kubernetes#100277).
        selected["publishNotReadyAddresses"] = True
    return core.Service(name, metadata=metadata, spec=selected, opts=opts)


def _port(port: PortSpec) -> dict[str, Any]:
    return {"name": f"port-{port.port}", "port": port.port, "targetPort": port.port, "protocol": "TCP"}


def _published_port(port: PortSpec, expose: str) -> dict[str, Any]:
    """A node port can't be chosen for a load balancer: there the Service's own port is what clients see."""
    return {**_port(port), **({"nodePort": port.publish} if expose == NODE_PORT else {"port": port.publish})}


def _host(cluster: Cluster, published: core.Service) -> pulumi.Input[str]:
    if cluster.expose == NODE_PORT:
        return _bracketed(cluster.host)
    given: pulumi.Output[str] = published.status.apply(lambda status: _bracketed(_given(status)))
    return given


def _given(status: Any) -> str:
    """The address that the cluster gave a load balancer."""
    first = status.load_balancer.ingress[0]
    return str(first.ip or first.hostname)


def _bracketed(host: str) -> str:
    """An address of IPv6 as URLs have it."""
    return f"[{host}]" if ":" in host else host
