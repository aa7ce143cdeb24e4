"""Runs inside the stack's containers: dumps and loads databases, packs and unpacks objects. Standard library only.

places.py hands this file's text to `python3 -c` in a container, so stacks of any release can be saved. What it reads
and writes is in frames (4 bytes of length, content; a length of 0 and the SHA-256 of all content end it), since not
every way into a container tells of an end. Restoring goes to a place aside first; `swap` puts it in place in one step.
"""

import base64
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

CHUNK = 1 << 18
DATA = Path("/data")
SECRETS_KEY = Path("/run/secrets/secrets_key")
ASIDE = ".cairn-restore"  # no bucket can have such a name
TEMPORARY = ".sgwtmp"  # versitygw's uploads under way
XATTR = "CAIRN.xattr."
PSQL = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--username=postgres"]
RESTORED = "_restored"
BEFORE = "_before"
SWAP_TRIES = 50
CONNECTED = "FROM pg_stat_activity WHERE datname ="
# What an empty stack has none of; endpoints may be declared, and operations go with them.
USED = {
    "cairn": "SELECT count(*) FROM resources WHERE collection NOT IN ('endpoints', 'operations')",
    "mlflow": "SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM registered_models)",
}


class Out:
    """stdout in frames, as a file that is written to."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """A frame for each CHUNK."""
        for start in range(0, len(data), CHUNK):
            piece = bytes(data[start : start + CHUNK])
            self.digest.update(piece)
            sys.stdout.buffer.write(len(piece).to_bytes(4, "big") + piece)
        return len(data)

    def end(self) -> None:
        """Say that all has been said."""
        sys.stdout.buffer.write(bytes(4) + self.digest.digest())
        sys.stdout.buffer.flush()


class In:
    """stdin in frames, as a file that is read from."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.held = b""
        self.ended = False

    def read(self, size: int = CHUNK) -> bytes:
        """At most so many bytes; none at the end, which has to come."""
        if not self.held and not self.ended:
            self._frame()
        piece, self.held = self.held[:size], self.held[size:]
        return piece

    def _frame(self) -> None:
        length = int.from_bytes(_exactly(4), "big")
        if length:
            self.held = _exactly(length)
            self.digest.update(self.held)
        else:
            self.ended = True
            if _exactly(32) != self.digest.digest():
                sys.exit("what came in is not what was sent")


def _exactly(size: int) -> bytes:
    data = sys.stdin.buffer.read(size)
    if len(data) != size:
        sys.exit("the input ended early")
    return data


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise ValueError("the process was started without this pipe")
    return stream


def psql(sql: str, database: str = "postgres") -> list[str]:
    """The rows, as text."""
    done = subprocess.run([*PSQL, "--dbname", database], input=sql, text=True, stdout=subprocess.PIPE, check=True)
    return done.stdout.split()


def dump(database: str) -> None:
    """One database as it is at one moment, in PostgreSQL's own format."""
    out = Out()
    command = ["pg_dump", "--format=custom", "--compress=1", "--username=postgres", database]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        shutil.copyfileobj(_pipe(process.stdout), out, CHUNK)
    if process.returncode:
        sys.exit(f"pg_dump ended with exit code {process.returncode}")
    out.end()


def used() -> None:
    """Whether something of a user's is in the databases."""
    print(json.dumps({name: int(psql(sql, name)[0]) for name, sql in USED.items()}))


def load(database: str) -> None:
    """A dump into a database beside the one in use, which `swap` takes."""
    psql(f"DROP DATABASE IF EXISTS {database}{RESTORED} WITH (FORCE)")
    psql(f"CREATE DATABASE {database}{RESTORED} OWNER {database}")
    options = ["--exit-on-error", "--no-owner", f"--role={database}", "--username=postgres"]
    source = In()
    command = ["pg_restore", *options, "--dbname", f"{database}{RESTORED}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        shutil.copyfileobj(source, _pipe(process.stdin), CHUNK)
        _pipe(process.stdin).close()
    if process.returncode:
        sys.exit(f"pg_restore ended with exit code {process.returncode}")


def swap(*databases: str) -> None:
    """All restored databases take the place of those in use, in one transaction."""
    for name in databases:
        psql(f"DROP DATABASE IF EXISTS {name}{BEFORE} WITH (FORCE)")
        psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    renames = "".join(
        f"ALTER DATABASE {name} RENAME TO {name}{BEFORE}; ALTER DATABASE {name}{RESTORED} RENAME TO {name};"
        f"REVOKE ALL ON DATABASE {name} FROM PUBLIC;"
        for name in databases
    )
    try:
        _rename(databases, renames)
    finally:
        for name in databases:
            psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    for name in databases:
        psql(f"DROP DATABASE {name}{BEFORE} WITH (FORCE)")


def _rename(databases: tuple[str, ...], renames: str) -> None:
    """Clients that were connected take a moment to be gone."""
    for attempt in range(SWAP_TRIES):
        psql("".join(f"SELECT pg_terminate_backend(pid) {CONNECTED} '{name}';" for name in databases))
        time.sleep(0.1)
        try:
            psql(f"BEGIN; {renames} COMMIT;")
        except subprocess.CalledProcessError:
            if attempt == SWAP_TRIES - 1:
                raise
        else:
            return


def key() -> None:
    """What users' secrets are sealed with, in the API's container; nothing in a release that has none."""
    out = Out()
    if SECRETS_KEY.exists():
        out.write(SECRETS_KEY.read_bytes())
    out.end()


def reseal(database: str) -> None:
    """Users' secrets in a restored database to this stack's key; the other stack's comes in."""
    other = b"".join(iter(In().read, b"")).decode().rstrip("\n")
    if other:
        command = [sys.executable, "-m", "workloads.store.resealing", f"{database}{RESTORED}"]
        subprocess.run(command, input=other, text=True, check=True)


def pack() -> None:
    """All buckets as a tar stream, with what S3 keeps in extended attributes."""
    out = Out()
    with tarfile.open(fileobj=cast("IO[bytes]", out), mode="w|", format=tarfile.PAX_FORMAT, bufsize=CHUNK) as tar:
        for folder, folders, names in os.walk(DATA):
            here = Path(folder)
            folders[:] = sorted(name for name in folders if name not in (TEMPORARY, ASIDE))
            if here == DATA:
                continue  # a bucket is a folder
            for path in (here, *(here / name for name in sorted(names))):
                _add(tar, path)
            tar.members = []  # type: ignore[attr-defined] # tarfile would keep all of them in memory
    out.end()


def _add(tar: tarfile.TarFile, path: Path) -> None:
    """One file or folder; what has gone in the meantime is left out, as if it had gone before."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        info = tarfile.TarInfo(str(path.relative_to(DATA)))
        status = os.fstat(number)
        info.mode, info.mtime = stat.S_IMODE(status.st_mode), status.st_mtime
        info.pax_headers = {
            XATTR + name: base64.b64encode(os.getxattr(number, name)).decode() for name in os.listxattr(number)
        }
        if stat.S_ISDIR(status.st_mode):
            info.type = tarfile.DIRTYPE
            tar.addfile(info)
        else:
            info.size = status.st_size
            with open(number, "rb", closefd=False) as file:
                tar.addfile(info, file)
    finally:
        os.close(number)


def unpack() -> None:
    """A tar stream of `pack` into a folder beside the buckets, which `adopt` takes."""
    aside = DATA / ASIDE / "new"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    folders: list[tuple[Path, tarfile.TarInfo]] = []
    with tarfile.open(fileobj=cast("IO[bytes]", In()), mode="r|", bufsize=CHUNK) as tar:
        for info in tar:
            target = aside / info.name
            if not target.resolve().is_relative_to(aside):
                sys.exit(f"{info.name} leads out of the buckets")
            if info.isdir():
                target.mkdir(exist_ok=True)
                folders.append((target, info))
            else:
                with target.open("wb") as file:
                    shutil.copyfileobj(_pipe(tar.extractfile(info)), file, CHUNK)
            _attributes(target, info)
            tar.members = []  # type: ignore[attr-defined] # as above
    for target, info in reversed(folders):
        os.utime(target, (info.mtime, info.mtime))


def _attributes(target: Path, info: tarfile.TarInfo) -> None:
    for key, value in info.pax_headers.items():
        if key.startswith(XATTR):
            os.setxattr(target, key.removeprefix(XATTR), base64.b64decode(value))
    target.chmod(info.mode)
    os.utime(target, (info.mtime, info.mtime))


def adopt(identifier: str) -> None:
    """The unpacked buckets take their places; those in use have to be empty, or of this very backup."""
    new, mark = DATA / ASIDE / "new", DATA / ASIDE / "adopted"
    again = mark.exists() and mark.read_text() == identifier
    buckets = sorted(each for each in new.iterdir())
    full = [each.name for each in buckets if not again and _has_files(DATA / each.name)]
    if full:
        sys.exit(f"the buckets {', '.join(full)} are not empty")
    mark.write_text(identifier)
    for each in buckets:
        shutil.rmtree(DATA / each.name, ignore_errors=True)
        each.rename(DATA / each.name)


def _has_files(bucket: Path) -> bool:
    return any(names and TEMPORARY not in folder for folder, _, names in os.walk(bucket))


def forget() -> None:
    """What restoring has left beside the buckets."""
    shutil.rmtree(DATA / ASIDE, ignore_errors=True)


COMMANDS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (dump, used, load, swap, key, reseal, pack, unpack, adopt, forget)
}

if __name__ == "__main__":
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except (OSError, subprocess.CalledProcessError, tarfile.TarError) as problem:
        sys.exit(f"{sys.argv[1]}: {problem}")
