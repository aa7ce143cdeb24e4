"""Starts versitygw: the buckets of CAIRN_BUCKETS are made as folders, its keys go from secret files to its environment.

Called as the image's command. The process becomes versitygw, which handles signals itself.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from workloads import contract
from workloads.object_store import confine

# Cloud Storage's rule, narrowed to names that S3 takes too.
_BUCKET: Final = re.compile(r"^[a-z0-9](?:[a-z0-9]|-(?!-)|\.(?=[a-z0-9])){1,61}[a-z0-9]$")
_VERSITYGW: Final = "versitygw"


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Ensure the buckets and become the server; never returns."""
    try:
        ensure_buckets(Path(contract.OBJECT_STORE_DATA_DIR), parse_buckets(environ.get("CAIRN_BUCKETS", "")))
        keys = {
            "ROOT_ACCESS_KEY_ID": contract.read_secret(contract.SECRET_OBJECT_STORE_ACCESS_KEY),
            "ROOT_SECRET_ACCESS_KEY": contract.read_secret(contract.SECRET_OBJECT_STORE_SECRET_KEY),
        }
        program = shutil.which(_VERSITYGW) or _VERSITYGW
        confine.to(Path(contract.OBJECT_STORE_DATA_DIR), Path(program))
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"object store: {error}")
    os.umask(0o007)  # jobs share the user; nobody else needs to see objects
    os.execve(program, command(), {**environ, **keys})  # noqa: S606  (no shell is wanted)


def command() -> list[str]:
    """The server's command line; no key is on it. Request logs are off: they would be most of the disk's writes."""
    options = ["--port", f":{contract.OBJECT_STORE_PORT}", "--health", contract.PATH_HEALTH, "--quiet", "--keep-alive"]
    # One gateway process only, so no lock files for others; files without a name would be linked through /proc, which
    # confine.py closes.
    backend = ["posix", "--disable-object-lock-file", "--disableotmp", "--dir-perms", "0770", "--file-perms", "0660"]
    return [_VERSITYGW, *options, *backend, contract.OBJECT_STORE_DATA_DIR]


def parse_buckets(text: str) -> tuple[str, ...]:
    """Bucket names from a comma-separated text, in order, without repeats.

    Raises:
        ValueError: a name that Cloud Storage or S3 would refuse.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if not _BUCKET.match(name):
            raise ValueError(
                f"CAIRN_BUCKETS names {name!r}; a bucket has 3 to 63 characters of a-z, 0-9, '-' and '.', "
                "and starts and ends with a letter or digit"
            )
    return names


def ensure_buckets(directory: Path, names: tuple[str, ...]) -> None:
    """Make the folders that are missing; what is in the others stays."""
    for name in names:
        (directory / name).mkdir(mode=0o770, exist_ok=True)
