"""Files put into a container before it starts. Called by container.py.

A container with a read-only root takes files only where a volume is mounted: each file is therefore sent to the innermost
mount that holds it.
"""

import base64
import binascii
import io
import tarfile
import time
from pathlib import Path, PurePosixPath
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.table import Problem
from toolchain.plugins.common.values import UNKNOWN, Properties

SOURCES = ("content", "contentBase64", "source")


def upload_problems(inputs: Properties) -> list[Problem]:
    """What is wrong with the declared files."""
    uploads = inputs.get("uploads", [])
    return [
        Problem("uploads", reason)
        for upload in uploads
        if upload is not UNKNOWN
        for reason in _reasons(upload)
    ]


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
    if mode is not UNKNOWN and (
        len(mode) != 4 or any(digit not in "01234567" for digit in mode)
    ):
        reasons.append(
            f"{path}: permissions are four octal digits like 0440, not {mode}"
        )
    return reasons


def _mounted(inputs: Properties) -> list[PurePosixPath]:
    paths = [
        volume["containerPath"]
        for volume in inputs.get("volumes", [])
        if "containerPath" in volume
    ]
    paths += [
        mount["target"]
        for mount in inputs.get("mounts", [])
        if mount["type"] != "tmpfs"
    ]
    return sorted(
        (PurePosixPath(path) for path in paths),
        key=lambda path: len(path.parts),
        reverse=True,
    )


def _archive(upload: dict[str, Any], targets: list[PurePosixPath]) -> tuple[str, bytes]:
    path = PurePosixPath(upload["file"])
    root = next(
        (
            target
            for target in targets
            if path.is_relative_to(target) and path != target
        ),
        PurePosixPath("/"),
    )
    content = _content(upload)
    entry = tarfile.TarInfo(str(path.relative_to(root)))
    entry.size, entry.mode, entry.mtime = len(content), _mode(upload), int(time.time())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(content))
    return str(root), buffer.getvalue()


def _mode(upload: dict[str, Any]) -> int:
    return int(
        upload.get("permissions") or ("0744" if upload.get("executable") else "0644"), 8
    )


def _content(upload: dict[str, Any]) -> bytes:
    if "content" in upload:
        return str(upload["content"]).encode()
    try:
        if "contentBase64" in upload:
            return base64.b64decode(upload["contentBase64"], validate=True)
        return Path(upload["source"]).read_bytes()
    except (binascii.Error, OSError) as problem:
        raise ProviderError(
            f"the file {upload['file']} can't be put into the container: {problem}"
        ) from problem
