"""Services: containers that are always there, restarted by the engine, waited for until they are healthy."""

from collections.abc import Mapping, Sequence
from typing import Final

import pulumi
import pulumi_docker as docker

from infra.backends import checksum
from infra.backends.base import PortSpec, ServiceSpec
from infra.backends.docker.containers import (
    container_labels,
    hardened,
    healthcheck,
    secret_uploads,
    secrets_path,
    tmpfs,
)
from infra.backends.docker.engine import DEFAULT_SOCKET, Engine
from infra.backends.docker.network import joined, network_name
from infra.backends.docker.volumes import volume_name
from infra.backends.labels import labels
from workloads import contract

LOOPBACK: Final = "127.0.0.1"
HEALTHY_WITHIN_S: Final = 180


def secrets_volume(service: str) -> str:
    """The volume of a service's secret files: a read-only root takes uploads only into a volume."""
    return f"{service}-secrets"


def create(stack: str, spec: ServiceSpec, engine: Engine | None, opts: pulumi.ResourceOptions) -> docker.Container:
    """The service's container."""
    return docker.Container(
        spec.name,
        name=f"cairn-{stack}-{spec.name}",
        hostname=spec.name,
        image=spec.image,
        entrypoints=list(spec.command) or None,
        command=list(spec.args) or None,
        envs=_environment(spec.env),
        user=spec.user,
        read_only=spec.read_only_root,
        tmpfs=tmpfs(spec.tmpfs),
        labels=container_labels(
            {
                **spec.labels,
                **labels(stack, spec.kind, spec.name),
                **checksum.of_secrets(contract.LABEL_SECRETS, spec.secrets),
            }
        ),
        networks_advanced=_networks(stack, spec.name, joined(spec)),
        ports=_published(spec.ports),
        mounts=_mounts(stack, spec, engine),
        group_adds=[engine.socket_group] if spec.engine_access and engine else None,
        uploads=secret_uploads({secrets_path(name): text for name, text in spec.secrets.items()}, spec.user),
        healthcheck=healthcheck(spec.probe),
        wait=spec.probe is not None,
        wait_timeout=HEALTHY_WITHIN_S,
        restart="always",  # an engine that was killed takes what it finds running for stopped by hand (seen with 20.10)
        stop_timeout=spec.stop_grace_s,
        destroy_grace_seconds=spec.stop_grace_s,
        **hardened(spec.resources),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["uploads"])),
    )


def addresses(ports: Sequence[PortSpec]) -> dict[int, str]:
    """Where clients on this host reach the ports that are published."""
    return {each.port: f"http://{LOOPBACK}:{each.publish}" for each in ports if each.publish is not None}


def _environment(env: Mapping[str, pulumi.Input[str]]) -> list[pulumi.Input[str]]:
    return [pulumi.Output.concat(key, "=", env[key]) for key in sorted(env)]


def _networks(stack: str, name: str, networks: Sequence[str]) -> list[docker.ContainerNetworksAdvancedArgs]:
    return [
        docker.ContainerNetworksAdvancedArgs(name=network_name(stack, each), aliases=[name])
        for each in sorted(networks)
    ]


def _published(ports: Sequence[PortSpec]) -> list[docker.ContainerPortArgs] | None:
    return [
        docker.ContainerPortArgs(internal=each.port, external=each.publish, ip=LOOPBACK, protocol="tcp")
        for each in ports
        if each.publish is not None
    ] or None


def _mounts(stack: str, spec: ServiceSpec, engine: Engine | None) -> list[docker.ContainerMountArgs]:
    """The service's volumes, its secrets and, for the one that may, the engine's socket."""
    mounts = [
        docker.ContainerMountArgs(
            type="volume", source=volume_name(stack, each.volume), target=each.target, read_only=each.read_only
        )
        for each in spec.mounts
    ]
    if spec.secrets:
        source = volume_name(stack, secrets_volume(spec.name))
        mounts.append(
            docker.ContainerMountArgs(type="volume", source=source, target=contract.SECRETS_DIR, read_only=False)
        )
    if spec.engine_access and engine:
        mounts.append(
            docker.ContainerMountArgs(type="bind", source=engine.socket, target=DEFAULT_SOCKET, read_only=True)
        )
    return mounts
