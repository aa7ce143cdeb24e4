"""Planned containers: what workloads.plans made, as Pulumi resources instead of the controllers' calls.

The labels are the same as the controllers', so the platform finds what runs, whoever made it. Nothing waits
for health here: the image is the user's own, and its servers get traffic once they answer.
"""

import posixpath
from collections.abc import Mapping

import pulumi
import pulumi_docker as docker

from infra.backends.docker.containers import container_labels, hardened, secret_uploads, tmpfs
from infra.backends.docker.network import network_name
from infra.backends.docker.volumes import create as create_volume
from infra.backends.docker.volumes import volume_name
from workloads import contract
from workloads.plans.container import ContainerSpec, Mount, group_of


def create(
    stack: str,
    spec: ContainerSpec,
    image: pulumi.Input[str],
    files: Mapping[str, pulumi.Input[str]],
    mountpoints: Mapping[str, str],
    opts: pulumi.ResourceOptions,
) -> docker.Container:
    """The container, with the plan's labels beside the stack's.

    Args:
        mountpoints: for engines that can't mount a folder of a volume: from volume to its place on the engine's disk.
    """
    labels = {**spec.labels, contract.LABEL_STACK: stack, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}
    return docker.Container(
        spec.name,
        name=f"cairn-{stack}-{spec.name}",
        hostname=spec.name,
        image=image,
        entrypoints=list(spec.command) or None,
        command=list(spec.args) or None,
        envs=[f"{key}={spec.env[key]}" for key in sorted(spec.env)],
        user=spec.user,
        read_only=spec.read_only_root,
        tmpfs=tmpfs(spec.tmpfs, "exec"),
        shm_size=spec.resources.memory_mib // 2,  # counts as memory; Docker's 64 MiB are too little for data loaders
        labels=container_labels(labels),
        networks_advanced=[
            docker.ContainerNetworksAdvancedArgs(name=network_name(stack, group_of(spec.name)), aliases=[spec.name])
        ],
        mounts=[*(_mount(each, mountpoints) for each in spec.mounts), *_file_mounts(stack, spec)] or None,
        uploads=secret_uploads(files, spec.user) or None,
        restart="always" if spec.restart == "always" else "no",  # see services.py
        stop_timeout=spec.stop_grace_s,
        destroy_grace_seconds=spec.stop_grace_s,
        **hardened(spec.resources),
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["uploads"])),
    )


def file_volumes(stack: str, spec: ContainerSpec, opts: pulumi.ResourceOptions) -> list[docker.Volume]:
    """A volume for every folder that gets files, since a read-only root takes none."""
    return [create_volume(stack, name, opts) for name in _file_folders(spec)]


def _file_folders(spec: ContainerSpec) -> dict[str, str]:
    """Volume → folder."""
    folders = sorted({posixpath.dirname(path) for path in spec.files})
    return {f"{spec.name}-files-{index}": folder for index, folder in enumerate(folders)}


def _file_mounts(stack: str, spec: ContainerSpec) -> list[docker.ContainerMountArgs]:
    return [
        docker.ContainerMountArgs(type="volume", source=volume_name(stack, name), target=folder, read_only=False)
        for name, folder in _file_folders(spec).items()
    ]


def _mount(mount: Mount, mountpoints: Mapping[str, str]) -> docker.ContainerMountArgs:
    if mount.subpath and mount.volume in mountpoints:
        source = f"{mountpoints[mount.volume]}/{mount.subpath}"
        return docker.ContainerMountArgs(type="bind", source=source, target=mount.target, read_only=mount.read_only)
    options = docker.ContainerMountVolumeOptionsArgs(subpath=mount.subpath) if mount.subpath else None
    return docker.ContainerMountArgs(
        type="volume", source=mount.volume, target=mount.target, read_only=mount.read_only, volume_options=options
    )
