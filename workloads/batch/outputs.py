"""Writes lines to numbered objects of bounded size. Used by the driver for predictions and for errors."""

import tempfile
from pathlib import Path
from typing import IO, Final

from workloads.gcs import Client

_SHARD_BYTES: Final = 32 << 20  # a shard is held on the container's tmpfs, which is memory, until it is stored


class Shards:
    """`<directory>/<stem>_0001.jsonl` and so on; names depend only on the lines, so a second try overwrites the first.

    Args:
        directory: gs:// folder.
    """

    def __init__(self, client: Client, directory: str, stem: str, shard_bytes: int = _SHARD_BYTES) -> None:
        self._client = client
        self._base = f"{directory.rstrip('/')}/{stem}"
        self._shard_bytes = shard_bytes
        self._number = 0
        self._file: IO[bytes] | None = None

    def write(self, line: str) -> None:
        """Add a line; a shard that is full is stored."""
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115  lives from line to line
        self._file.write(line.encode() + b"\n")
        if self._file.tell() >= self._shard_bytes:
            self.close()

    def close(self) -> None:
        """Store what is not stored yet."""
        if self._file is None:
            return
        with self._file as file:
            file.flush()
            self._number += 1
            self._client.upload(f"{self._base}_{self._number:04}.jsonl", Path(file.name), "application/jsonl")
        self._file = None
