"""The objects of the job's buckets as files: read by ranges, written whole.

They are under /gcs where the container has that; else they are asked for over HTTP.
"""

import contextlib
import io
import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

from workloads import contract
from workloads.gcs import Client, parse

_DRAFT: Final = ".draft"
_BUFFER: Final = 1 << 20


class Objects(Protocol):
    """Objects by their gs:// URIs."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """URI and bytes of every object whose URI starts so, in order."""

    def open(self, uri: str, size: int = -1) -> BinaryIO:
        """The object, to be read at any position.

        Args:
            size: bytes, when known.

        Raises:
            OSError, StorageError: it can't be read.
        """

    def draft(self, uri: str) -> AbstractContextManager[BinaryIO]:
        """What is written becomes the object, whole and durable, if the block ends well; else nothing does."""

    def remove(self, uri: str) -> None:
        """The object, if it is there."""

    def sweep(self, directory: str) -> None:
        """Drafts that died with their writers."""


def reached(uri: str, root: Path = Path(contract.GCS_DIR)) -> Objects:
    """How this container reaches the job's buckets, of which the URI names one."""
    return Folder(root) if (root / parse(uri)[0]).is_dir() else Remote(Client.from_environment())


class Folder:
    """Buckets as folders of `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See Objects."""
        bucket, name = parse(prefix)
        base = self._root / bucket
        for path in sorted(_files(base / name.rpartition("/")[0])):
            uri = f"gs://{bucket}/{path.relative_to(base)}"
            if uri.startswith(prefix):
                yield uri, path.stat().st_size

    def open(self, uri: str, size: int = -1) -> BinaryIO:
        """See Objects."""
        return self._path(uri).open("rb", buffering=_BUFFER)

    @contextlib.contextmanager
    def draft(self, uri: str) -> Iterator[BinaryIO]:
        """See Objects."""
        target = self._path(uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_DRAFT}")
        try:
            with draft.open("wb", buffering=_BUFFER) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            _sync_folder(target.parent)
        finally:
            draft.unlink(missing_ok=True)

    def remove(self, uri: str) -> None:
        """See Objects."""
        self._path(uri).unlink(missing_ok=True)

    def sweep(self, directory: str) -> None:
        """See Objects."""
        for path in self._path(directory).rglob(f".*{_DRAFT}"):
            path.unlink(missing_ok=True)

    def _path(self, uri: str) -> Path:
        bucket, name = parse(uri)
        path = self._root / bucket / name
        if not path.resolve().is_relative_to((self._root / bucket).resolve()):
            raise PermissionError(f"{uri} leads out of its bucket")
        return path


def _files(folder: Path) -> Iterator[Path]:
    """Files below the folder, but for drafts of ours and of the object store (.sgwtmp)."""
    for where, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each != ".sgwtmp"]
        yield from (Path(where) / name for name in names if not name.endswith(_DRAFT))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Remote:
    """Over the storage's API. A draft waits in the container's /tmp."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """See Objects."""
        for found in self._client.list(prefix):
            yield found.uri, found.size

    def open(self, uri: str, size: int = -1) -> BinaryIO:
        """See Objects."""
        if size < 0:
            size = next((bytes_ for each, bytes_ in self.list(uri) if each == uri), -1)
        if size < 0:
            raise FileNotFoundError(f"{uri} names no object")
        return cast("BinaryIO", io.BufferedReader(_Ranges(self._client, uri, size), _BUFFER))

    @contextlib.contextmanager
    def draft(self, uri: str) -> Iterator[BinaryIO]:
        """See Objects."""
        with tempfile.NamedTemporaryFile() as file:
            yield cast("BinaryIO", file)
            file.flush()
            self._client.upload(uri, Path(file.name), "application/octet-stream")

    def remove(self, uri: str) -> None:
        """See Objects."""
        self._client.delete(uri)

    def sweep(self, directory: str) -> None:
        """See Objects: a draft here ends with its container."""


class _Ranges(io.RawIOBase):
    """An object read from wherever one seeks to; a connection that breaks goes on where it stopped."""

    def __init__(self, client: Client, uri: str, size: int) -> None:
        self._client, self._uri, self._size = client, uri, size
        self._position = 0
        self._pieces: Iterator[bytes] = iter(())
        self._rest = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The next read begins there."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset != self._position:
            self._position, self._rest, self._pieces = base + offset, b"", iter(())
        return self._position

    def tell(self) -> int:
        """Where the next read begins."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what BufferedReader gives
        """Some bytes; 0 at the end."""
        if not self._rest and self._position < self._size:
            self._rest = next(self._pieces, b"")
            if not self._rest:
                self._pieces = self._client.read(self._uri, start=self._position)
                self._rest = next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self._position += count
        return count
