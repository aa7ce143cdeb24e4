"""Parts in a stream."""

from collections.abc import Iterator

import pytest

from cairn.backup import archive
from cairn.backup.archive import Part
from cairn.errors import CairnError

PARTS = {"a": [b"one", b"", b"two"], "empty": [], "b": [bytes(100_000)]}


def _stream() -> bytes:
    return b"".join(archive.write(Part(name, data) for name, data in PARTS.items()))


def _pieces(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[start : start + size] for start in range(0, len(stream), size))


def _read(stream: bytes) -> list[bytes]:
    return [b"".join(part.data) for part in archive.read(iter([stream]))]


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_parts_come_back_however_the_stream_is_cut(size: int) -> None:
    """Names in order, each with its content."""
    found = [(part.name, b"".join(part.data)) for part in archive.read(_pieces(_stream(), size))]
    assert found == [(name, b"".join(data)) for name, data in PARTS.items()]


@pytest.mark.parametrize("kept", [0, 3, 20, -6, -1])
def test_a_stream_that_ends_early_is_no_archive(kept: int) -> None:
    """Within a part, between parts, before the end mark: each is said."""
    with pytest.raises(CairnError, match="ends"):
        _read(_stream()[:kept])


def test_a_part_that_was_changed_is_named() -> None:
    """By its checksum."""
    with pytest.raises(CairnError, match="a in the backup is not what was written"):
        _read(_stream().replace(b"two", b"2wo"))
