"""Starts versitygw: the buckets of CAIRN_BUCKETS are made as folders, its keys go from secret files to its environment.

Called as the image's command. With a stack's signing key its workloads have keys too: see identities.py.
"""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from workloads import contract
from workloads.object_store import confine, identities

# Cloud Storage's rule, narrowed to names that S3 takes too.
_BUCKET: Final = re.compile(r"^[a-z0-9](?:[a-z0-9]|-(?!-)|\.(?=[a-z0-9])){1,61}[a-z0-9]$")
_VERSITYGW: Final = "versitygw"
ACL: Final = "user.acl"  # where it keeps a bucket's list of those who may open it
ENV_STACK: Final = "CAIRN_STACK"
SOCKET: Final = Path("/tmp/identities.sock")  # noqa: S108  the container's own


def main(environ: Mapping[str, str] = os.environ) -> None:
    """Ensure the buckets and become the server, or what answers its questions and has it as a child; never returns."""
    try:
        ensure_buckets(Path(contract.OBJECT_STORE_DATA_DIR), parse_buckets(environ.get("CAIRN_BUCKETS", "")))
        keys = {
            "ROOT_ACCESS_KEY_ID": contract.read_secret(contract.SECRET_OBJECT_STORE_ACCESS_KEY),
            "ROOT_SECRET_ACCESS_KEY": contract.read_secret(contract.SECRET_OBJECT_STORE_SECRET_KEY),
        }
        stack = environ.get(ENV_STACK)
        if stack:
            server = identities.listen(SOCKET, stack, contract.SecretFile(contract.SECRET_SIGNING_KEY))
    except (ValueError, RuntimeError, OSError) as error:
        sys.exit(f"object store: {error}")
    become = partial(_become, command(iam=bool(stack)), {**environ, **keys})
    if not stack:
        become()
    sys.exit(identities.serve_around(server, become))


def _become(line: list[str], environ: Mapping[str, str]) -> NoReturn:
    program = shutil.which(line[0]) or line[0]
    try:
        confine.to(Path(contract.OBJECT_STORE_DATA_DIR), Path(program))
        os.umask(0o007)  # jobs share the user; nobody else needs to see objects
        os.execve(program, line, environ)  # noqa: S606  (no shell is wanted)
    except OSError as error:
        sys.exit(f"object store: {error}")


def command(iam: bool = False) -> list[str]:
    """The server's command line; no key is on it. Request logs are off: they would be most of the disk's writes.

    Args:
        iam: keys other than the root's are asked for at SOCKET.
    """
    options = ["--port", f":{contract.OBJECT_STORE_PORT}", "--health", contract.PATH_HEALTH, "--quiet", "--keep-alive"]
    # One gateway process only, so no lock files for others; files without a name would be linked through /proc, which
    # confine.py closes.
    backend = ["posix", "--disable-object-lock-file", "--disableotmp", "--dir-perms", "0770", "--file-perms", "0660"]
    if iam:
        user = str(contract.RUN_AS_UID)
        owner = ("--iam-standalone-default-uid", user, "--iam-standalone-default-gid", user)
        options += ["--iam-standalone-endpoint", str(SOCKET), *owner]
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
    for bucket in (each for each in directory.iterdir() if each.is_dir() and ACL not in os.listxattr(each)):
        os.setxattr(bucket, ACL, b"{}")  # versitygw takes none for none, but when an object is copied
