"""A ContainerSpec in Docker's terms, and Docker's log frames as lines: the pure half of docker.py."""

import io
import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, Final

import docker

from workloads import contract
from workloads.controllers.engines import seccomp
from workloads.controllers.engines.base import LONGEST_LINE, LogEntry
from workloads.plans.container import ContainerSpec

MIB: Final = 1024 * 1024
_SUBPATH: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
LOG_LIMITS: Final = {"max-size": "100m", "max-file": "2"}  # above the store's cap per job, so only chatter is lost


def container(spec: ContainerSpec, stack: str) -> dict[str, Any]:
    """What Docker calls the container's config."""
    return {
        "image": spec.image,
        "entrypoint": list(spec.command) or None,
        "command": list(spec.args) or None,
        "environment": dict(spec.env),
        "user": spec.user,
        "labels": {
            **spec.labels,
            contract.LABEL_STACK: stack,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS,
        },
    }


def host(spec: ContainerSpec) -> dict[str, Any]:
    """What Docker calls the host config: limits, and as little power as a container can have."""
    limits = spec.resources
    gpus = [docker.types.DeviceRequest(count=limits.gpus, capabilities=[["gpu"]])] if limits.gpus else None
    return {
        "init": True,  # reaps orphans, and passes SIGTERM on to programs that don't handle it
        "mem_limit": limits.memory_mib * MIB,
        "memswap_limit": limits.memory_mib * MIB,
        "nano_cpus": int(limits.cpu * 1e9),
        "pids_limit": limits.pids,
        "shm_size": limits.memory_mib * MIB // 2,  # counts as memory; data loaders need more than Docker's 64 MiB
        "device_requests": gpus,
        "cap_drop": ["ALL"],
        "security_opt": _security(spec),
        "read_only": spec.read_only_root,
        "tmpfs": {path: f"rw,exec,nosuid,nodev,mode=1777,size={size}m" for path, size in spec.tmpfs.items()},
        "restart_policy": {"Name": "always"} if spec.restart == "always" else None,
        "log_config": docker.types.LogConfig(type="json-file", config=LOG_LIMITS),
    }


def _security(spec: ContainerSpec) -> list[str]:
    # Read-only mounts count: over a socket in the folder, another container can hand in an open, writable folder.
    return ["no-new-privileges:true", *([f"seccomp={seccomp.profile()}"] if spec.mounts else [])]


def secret_volumes(spec: ContainerSpec, stack: str) -> list[Any]:
    """Under a read-only root, files can only be put into a volume: one per folder, removed with the container."""
    if not spec.read_only_root:
        return []
    folders = sorted({str(PurePosixPath(path).parent) for path in spec.files})
    return [docker.types.Mount(f, None, type="volume", labels={contract.LABEL_STACK: stack}) for f in folders]


def check_subpath(subpath: str) -> None:
    """Refuse a folder name that could lead out of the volume.

    Raises:
        ValueError: it is not a plain bucket name.
    """
    if not _SUBPATH.fullmatch(subpath) or ".." in subpath:
        raise ValueError(f"{subpath!r} is not a bucket's name, so it is not mounted")


def archives(spec: ContainerSpec) -> list[tuple[str, bytes]]:
    """The spec's files as (existing folder, tar to unpack there), readable by the container's user only."""
    folders = sorted({str(PurePosixPath(path).parent) for path in spec.files})
    if spec.read_only_root:  # Docker writes only into the volumes, which secret_volumes made
        return [(folder, _tar(spec, folder, folder)) for folder in folders]
    return [("/", _tar(spec, folder, "/")) for folder in folders]


def _tar(spec: ContainerSpec, folder: str, root: str) -> bytes:
    uid, _, gid = spec.user.partition(":")
    owner = {"uid": int(uid), "gid": int(gid or uid)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(_entry(os.path.relpath(folder, root), owner, tarfile.DIRTYPE, 0o700))
        for path, text in sorted(spec.files.items()):
            if str(PurePosixPath(path).parent) == folder:
                data = text.encode()
                entry = _entry(os.path.relpath(path, root), owner, tarfile.REGTYPE, 0o400)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def _entry(path: str, owner: dict[str, int], kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner["uid"], owner["gid"]
    return entry


def lines(frames: Iterable[bytes]) -> Iterator[LogEntry]:
    """Log lines from frames of "<time> <text>"; Docker cuts a long line into frames of which only the last ends it.

    One that never ends is cut too: it must not fill the controllers' memory.
    """
    started: LogEntry | None = None
    for frame in frames:
        stamp, _, text = frame.decode("utf-8", "replace").partition(" ")
        time, before = started or (parse_time(stamp), "")
        is_whole = text.endswith("\n")
        started = (time, before + text.removesuffix("\n"))
        if is_whole or len(started[1]) >= LONGEST_LINE:
            yield started
            started = None
    if started is not None:
        yield started


def parse_time(text: str) -> datetime:
    """Docker's nanoseconds as the microseconds that PostgreSQL keeps."""
    digits = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{digits[0]}.{digits[2][:6].ljust(6, '0')}+00:00")
