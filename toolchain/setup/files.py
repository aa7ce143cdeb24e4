"""Small file operations that the steps share: hashes, stamps, putting a result in place at once."""

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def digest(paths: Iterable[Path], *words: str) -> str:
    """One hash over words, file names and contents."""
    total = hashlib.sha256("\0".join(words).encode())
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def stamped(stamp: Path, value: str) -> bool:
    """Whether the stamp says that this very thing was finished."""
    return stamp.is_file() and stamp.read_text() == value


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one rename, so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.touch(mode=mode)
    part.chmod(mode)
    part.write_text(text)
    part.replace(path)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder of this process beside the place of the result; it is gone afterwards."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
