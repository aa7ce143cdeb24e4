"""Content on its way into the store: whole before the store hears of it, in memory while small, on disk beyond.

An upload that breaks off never reaches the store, its CRC32C is known before the store is asked to check it, and memory
stays flat whatever the size.
"""

import base64
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import google_crc32c
from anyio import to_thread

BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Spooled:
    """Content that is here whole: bytes, or a file from its beginning."""

    size: int
    crc32c: str
    source: bytes | BinaryIO

    def content(self) -> bytes | AsyncIterator[bytes]:
        """What an HTTP client sends."""
        return self.source if isinstance(self.source, bytes) else _blocks(self.source)


@contextmanager
def scratch(directory: Path) -> Iterator["Spool"]:
    """A spool whose file, if it needs one, is gone afterwards, even when the process is killed."""
    with ExitStack() as files:
        yield Spool(lambda: files.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0)))


class Spool:
    """Takes a stream; `Spooled` comes out."""

    def __init__(self, open_file: Callable[[], BinaryIO]) -> None:
        self._open_file = open_file
        self._file: BinaryIO | None = None
        self._block = bytearray()
        self._written = 0
        self._crc = 0

    async def take(self, stream: AsyncIterator[bytes]) -> None:
        """Add all of the stream."""
        async for chunk in stream:
            self._block += chunk
            if len(self._block) >= BLOCK:
                await to_thread.run_sync(self._flush)

    async def finish(self) -> Spooled:
        """What was taken."""
        if self._file is None:
            self._crc = google_crc32c.extend(self._crc, bytes(self._block))
            return Spooled(len(self._block), _base64(self._crc), bytes(self._block))
        await to_thread.run_sync(self._flush)
        return Spooled(self._written, _base64(self._crc), self._file)

    def _flush(self) -> None:
        data = bytes(self._block)
        self._block.clear()
        self._crc = google_crc32c.extend(self._crc, data)
        self._file = self._file or self._open_file()
        self._file.write(data)
        self._written += len(data)


def measure(file: BinaryIO) -> Spooled:
    """A file that is whole already; blocks, so call it in a thread."""
    crc = 0
    file.seek(0)
    while data := file.read(BLOCK):
        crc = google_crc32c.extend(crc, data)
    return Spooled(file.tell(), _base64(crc), file)


def crc32c(content: bytes) -> str:
    """The content's CRC32C as both Google and S3 write it."""
    return _base64(google_crc32c.value(content))


async def _blocks(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file's content; read by offset, since the file may be sent more than once."""
    offset = 0
    while data := await to_thread.run_sync(os.pread, file.fileno(), BLOCK, offset):
        offset += len(data)
        yield data


def _base64(crc: int) -> str:
    return base64.b64encode(crc.to_bytes(4, "big")).decode()
