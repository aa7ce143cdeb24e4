"""The files of an image's build: their digest, and the archive for the engine. Called by image.py.

The digest is part of the inputs, so a changed file, and nothing else, makes a difference that `preview` shows: neither
modification times nor owners count.
"""

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.docker.ignore import Ignore, read_ignore

EXECUTABLE = 0o111


@dataclass(frozen=True)
class BuildContext:
    """A folder and the Dockerfile to build it with, which may lie outside."""

    folder: Path
    dockerfile: Path

    @property
    def dockerfile_name(self) -> str:
        """The Dockerfile's path within the archive."""
        if self.dockerfile.is_relative_to(self.folder):
            return self.dockerfile.relative_to(self.folder).as_posix()
        return ".dockerfile-from-outside"

    def digest(self) -> str:
        """A digest of everything that the build can see."""
        total = hashlib.sha256()
        for name, path in self._entries():
            mode = path.lstat().st_mode & EXECUTABLE
            total.update(f"{name}\0{mode:o}\0{_content_digest(path)}\n".encode())
        return total.hexdigest()

    def archive(self) -> IO[bytes]:
        """The archive for the engine, as root's files."""
        file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name, path in self._entries():
                tar.add(path, name, recursive=False, filter=_as_root)
        file.seek(0)
        return file

    def _entries(self) -> Iterator[tuple[str, Path]]:
        """Names in the archive and their files, in a steady order; the Dockerfile comes last if it is from outside."""
        needed = {self.dockerfile_name, ".dockerignore"}
        yield from _walk(self.folder, self.folder, read_ignore(self.folder, self.dockerfile), needed)
        if not self.dockerfile.is_relative_to(self.folder):
            yield self.dockerfile_name, self.dockerfile


def build_context(context: str, dockerfile: str | None) -> BuildContext:
    """The context as the inputs name it; paths are relative to the program's folder."""
    folder = Path(context).resolve()
    path = Path(dockerfile).resolve() if dockerfile else folder / "Dockerfile"
    if not folder.is_dir():
        raise ProviderError(f"the build context {context} is no folder (seen from {Path.cwd()})")
    if not path.is_file():
        hint = f"; did you mean {Path(context, dockerfile)}?" if dockerfile and (folder / dockerfile).is_file() else ""
        raise ProviderError(f"there is no Dockerfile {dockerfile or Path(context, 'Dockerfile')}{hint}")
    return BuildContext(folder, path)


def _walk(root: Path, folder: Path, ignore: Ignore, needed: set[str]) -> Iterator[tuple[str, Path]]:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        left_out = ignore.leaves_out(name) and name not in needed
        if not left_out:
            yield name, path
        if entry.is_dir(follow_symlinks=False):
            holds_needed = any(item.startswith(f"{name}/") for item in needed)
            if not left_out or ignore.may_keep_below or holds_needed:
                yield from _walk(root, path, ignore, needed)


def _content_digest(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    if path.is_dir():
        return "folder"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry
