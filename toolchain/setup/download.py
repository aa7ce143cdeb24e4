"""Downloads from official sites, where they are reached.

Called by the steps that prefer an official build. A site that does not answer in a few seconds counts as not reached:
many companies' networks, and this project's own test machines, only let package registries through.
"""

import functools
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

from toolchain.shell import ToolchainError

CONNECT_SECONDS = 4
READ_SECONDS = 60
CHUNK = 1 << 20


@functools.cache
def reached(address: str) -> bool:
    """Whether the address answers at all; asked once a run."""
    try:
        with urllib.request.urlopen(address, timeout=CONNECT_SECONDS):  # noqa: S310 (a constant https address)
            return True
    except (urllib.error.URLError, OSError):
        return False


def text(address: str) -> str:
    """A small text."""
    with urllib.request.urlopen(address, timeout=READ_SECONDS) as answer:  # noqa: S310 (a constant https address)
        return str(answer.read().decode())


def file(address: str, to: Path, sha256: str) -> Path:
    """A file whose hash is known.

    Raises:
        ToolchainError: what came has another hash.
    """
    total = hashlib.sha256()
    with urllib.request.urlopen(address, timeout=READ_SECONDS) as answer, to.open("wb") as out:  # noqa: S310
        while chunk := answer.read(CHUNK):
            total.update(chunk)
            out.write(chunk)
    if total.hexdigest() != sha256:
        to.unlink()
        raise ToolchainError(
            f"{address} has SHA-256 {total.hexdigest()}, expected {sha256}", "try again; do not use that file"
        )
    return to
