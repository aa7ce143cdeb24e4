"""Named parts of unknown length in one stream, each with its size and SHA-256.

Records: a letter, 4 bytes of length, the content. N begins a part (its name), D is data, E ends it (JSON), Z ends all.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from cairn.errors import CairnError

HEADER: Final = struct.Struct(">cI")
LARGEST: Final = 1 << 24


@dataclass(frozen=True)
class Part:
    """Something to be kept under a name."""

    name: str
    data: Iterable[bytes]


def write(parts: Iterable[Part]) -> Iterator[bytes]:
    """The stream of all parts, each asked for its data only when its turn comes."""
    for part in parts:
        yield _record(b"N", part.name.encode())
        digest, size = hashlib.sha256(), 0
        for data in part.data:
            digest.update(data)
            size += len(data)
            yield _record(b"D", data)
        yield _record(b"E", json.dumps({"size": size, "sha256": digest.hexdigest()}).encode())
    yield _record(b"Z", b"")


def read(stream: Iterator[bytes]) -> Iterator[Part]:
    """The parts in order; each one's data has to be read to its end before the next.

    Raises:
        CairnError: the stream ends early, or a part is not what was written.
    """
    records = _records(stream)
    for kind, content in records:
        if kind == b"Z":
            return
        if kind != b"N":
            raise CairnError(f"the backup is not in order: {kind!r} between its parts")
        yield Part(content.decode(), _data(content.decode(), records))
    raise CairnError("the backup ends before its end")


def _data(name: str, records: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for kind, content in records:
        if kind == b"E":
            if json.loads(content) != {"size": size, "sha256": digest.hexdigest()}:
                raise CairnError(f"{name} in the backup is not what was written")
            return
        digest.update(content)
        size += len(content)
        yield content
    raise CairnError(f"the backup ends within {name}")


def _record(kind: bytes, content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise ValueError(f"a record of {len(content)} bytes")
    return HEADER.pack(kind, len(content)) + content


def _records(stream: Iterator[bytes]) -> Iterator[tuple[bytes, bytes]]:
    held = bytearray()
    for piece in stream:
        held += piece
        while len(held) >= HEADER.size:
            kind, length = HEADER.unpack_from(held)
            end = HEADER.size + length
            if len(held) < end:
                break
            yield kind, bytes(held[HEADER.size : end])
            del held[:end]
