"""The encrypted file: whole or refused."""

import io
from collections.abc import Iterator

import pytest

from cairn.backup import crypt
from cairn.errors import CairnError

WORD = "correct horse battery"


def _sealed(data: bytes) -> bytes:
    file = io.BytesIO()
    crypt.encrypt([data], file, WORD)
    return file.getvalue()


def _opened(sealed: bytes, word: str = WORD) -> bytes:
    return b"".join(crypt.decrypt(io.BytesIO(sealed), word))


@pytest.mark.parametrize("size", [0, 1, crypt.CHUNK - 1, crypt.CHUNK, crypt.CHUNK + 1, 3 * crypt.CHUNK])
def test_what_was_encrypted_comes_back(size: int) -> None:
    """For every size around a chunk's; and nothing of it shows in the file."""
    data = (b"geheim-" * (size // 7 + 1))[:size]
    sealed = _sealed(data)
    assert _opened(sealed) == data
    assert b"geheim" not in sealed


def test_a_wrong_passphrase_is_said() -> None:
    """Not a traceback, and nothing is given."""
    with pytest.raises(CairnError, match="wrong passphrase"):
        _opened(_sealed(b"secret"), "another")


def test_a_file_that_is_none_is_said() -> None:
    """Whatever else the file is."""
    with pytest.raises(CairnError, match="not a backup"):
        _opened(b"PK\x03\x04 something else")


def _damaged(sealed: bytes) -> Iterator[bytes]:
    header = len(crypt.MAGIC) + crypt.SALT + crypt.PREFIX
    chunk = 4 + crypt.CHUNK + crypt.TAG
    first, second = sealed[header : header + chunk], sealed[header + chunk : header + 2 * chunk]
    yield sealed[:-1]  # cut within the last chunk
    yield sealed[: header + chunk]  # cut between chunks
    yield sealed[:header]  # cut before the first
    yield sealed[: header + 2]
    yield sealed[: header + 100] + bytes([sealed[header + 100] ^ 1]) + sealed[header + 101 :]  # one bit
    yield sealed[:header] + second + first + sealed[header + 2 * chunk :]  # in another order
    yield sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]  # in the header
    yield sealed + sealed[-50:]  # longer


def test_a_damaged_file_is_refused() -> None:
    """Cut anywhere, a bit changed, chunks in another order, something added: none is taken for whole."""
    for number, damaged in enumerate(_damaged(_sealed(bytes(3 * crypt.CHUNK)))):
        with pytest.raises(CairnError, match="damaged or cut short"):
            pytest.fail(f"{number} was taken: {len(_opened(damaged))} bytes")
