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
    known = [upload for upload in uploads if upload is not UNKNOWN] if uploads is not UNKNOWN else []
    return [Problem("uploads", reason) for upload in known for reason in _reasons(upload)]


def archives(inputs: Properties) -> list[tuple[str, bytes]]:
    """Folders to unpack at, and a tar archive for each."""
    targets, files = _mounted(inputs), dict[PurePosixPath, list[dict[str, Any]]]()
    for upload in inputs.get("uploads", []):
        files.setdefault(_root(upload, targets), []).append(upload)
    return [(str(root), _archive(root, uploads)) for root, uploads in files.items()]


def only_contents_in_volumes(old: Properties, new: Properties) -> bool:
    """Whether the same files with the same owners have other contents, and only such that lie in mounted volumes.

    Those outlive the container, so writing them is all that a new container would do; who runs in it has to look again.
    """
    before, after = old.get("uploads"), new.get("uploads")
    if not isinstance(before, list) or not isinstance(after, list) or UNKNOWN in after:
        return False
    if [_without_content(each) for each in before] != [_without_content(each) for each in after]:
        return False
    targets = _mounted(new)
    return all(_root(now, targets) != PurePosixPath("/") for was, now in zip(before, after, strict=True) if was != now)


def _without_content(upload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in upload.items() if name not in SOURCES}


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


def _root(upload: dict[str, Any], targets: list[PurePosixPath]) -> PurePosixPath:
    path = PurePosixPath(upload["file"])
    return next((target for target in targets if path.is_relative_to(target) and path != target), PurePosixPath("/"))


def _archive(root: PurePosixPath, uploads: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for upload in uploads:
            content = _content(upload)
            entry = tarfile.TarInfo(str(PurePosixPath(upload["file"]).relative_to(root)))
            entry.size, entry.mode, entry.mtime = len(content), _mode(upload), int(time.time())
            entry.uid, entry.gid = _id(upload, "owner", _user_id), _id(upload, "group", _group_id)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


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
