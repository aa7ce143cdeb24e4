"""Files put into a container before it starts. Called by container.py.

A container with a read-only root takes files only where a volume is mounted: each file is therefore sent to the
innermost mount that holds it.
"""

import base64
import binascii
import grp
import io
import pwd
import re
import tarfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.table import Problem
from toolchain.plugins.common.values import UNKNOWN, Properties

PERMISSIONS = re.compile("0[0-7]{3}")
SOURCES = ("content", "contentBase64", "source")


def upload_problems(inputs: Properties) -> list[Problem]:
    """What is wrong with the declared files."""
    uploads = inputs.get("uploads", [])
    return [Problem("uploads", reason) for upload in uploads if upload is not UNKNOWN for reason in _reasons(upload)]


def archives(inputs: Properties) -> list[tuple[str, bytes]]:
    """For each file, the folder to unpack at and the tar archive."""
    targets = _mounted(inputs)
    return [_archive(upload, targets) for upload in inputs.get("uploads", [])]


def _reasons(upload: dict[str, Any]) -> list[str]:
    path = upload["file"]
    reasons = []
    if sum(name in upload for name in SOURCES) != 1:
        reasons.append(f"{path}: give exactly one of content, contentBase64 and source")
    if path is not UNKNOWN and not PurePosixPath(path).is_absolute():
        reasons.append(f"{path}: the path in the container has to be absolute")
    mode = upload.get("permissions", "0644")
    if mode is not UNKNOWN and not PERMISSIONS.fullmatch(mode):
        reasons.append(f"{path}: permissions are four octal digits like 0440, not {mode}")
    return reasons


def _mounted(inputs: Properties) -> list[PurePosixPath]:
    paths = [volume["containerPath"] for volume in inputs.get("volumes", []) if "containerPath" in volume]
    paths += [mount["target"] for mount in inputs.get("mounts", []) if mount["type"] != "tmpfs"]
    return sorted((PurePosixPath(path) for path in paths), key=lambda path: len(path.parts), reverse=True)


def _archive(upload: dict[str, Any], targets: list[PurePosixPath]) -> tuple[str, bytes]:
    path = PurePosixPath(upload["file"])
    root = next((target for target in targets if path.is_relative_to(target) and path != target), PurePosixPath("/"))
    content = _content(upload)
    entry = tarfile.TarInfo(str(path.relative_to(root)))
    entry.size, entry.mode, entry.mtime = len(content), _mode(upload), int(time.time())
    entry.uid, entry.gid = _id(upload, "owner", _user_id), _id(upload, "group", _group_id)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return str(root), buffer.getvalue()


def _mode(upload: dict[str, Any]) -> int:
    return int(upload.get("permissions") or ("0744" if upload.get("executable") else "0644"), 8)


def _id(upload: dict[str, Any], field: str, look_up: Callable[[str], int]) -> int:
    name = upload.get(field) or "0"
    try:
        return int(name) if name.isdigit() else look_up(name)
    except KeyError:
        raise ProviderError(
            f"the file {upload['file']}: this machine knows no {field} {name}; give its number in the container"
        ) from None


def _user_id(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _group_id(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _content(upload: dict[str, Any]) -> bytes:
    if "content" in upload:
        return str(upload["content"]).encode()
    try:
        if "contentBase64" in upload:
            return base64.b64decode(upload["contentBase64"], validate=True)
        return Path(upload["source"]).read_bytes()
    except (binascii.Error, OSError) as problem:
        raise ProviderError(f"the file {upload['file']} can't be put into the container: {problem}") from problem
