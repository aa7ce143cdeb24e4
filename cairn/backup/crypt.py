"""A stream of bytes as an encrypted file: AES-256-GCM by the chunk, with a key from a passphrase (scrypt).

Every chunk is authenticated with its place and with whether it is the last, so a file that was cut short, reordered or
changed anywhere is refused. Memory is one chunk, whatever the file's size.

File: MAGIC, salt (16 bytes), nonce prefix (7 bytes), then per chunk 4 bytes of length and the ciphertext.
"""

import os
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cairn.errors import CairnError

MAGIC: Final = b"CAIRN-BACKUP-1\n"
SALT: Final = 16
PREFIX: Final = 7
CHUNK: Final = 1 << 20
TAG: Final = 16
WRONG: Final = "wrong passphrase, or a file that was damaged or cut short"


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=1 << 15, r=8, p=1).derive(passphrase.encode()))


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + struct.pack(">IB", number, last)


def encrypt(data: Iterable[bytes], file: BinaryIO, passphrase: str) -> None:
    """Write the whole of `data`."""
    salt, prefix = os.urandom(SALT), os.urandom(PREFIX)
    cipher, header = _cipher(passphrase, salt), MAGIC + salt + prefix
    file.write(header)
    for number, (chunk, last) in enumerate(_with_last(_chunks(data))):
        sealed = cipher.encrypt(_nonce(prefix, number, last), chunk, header)
        file.write(struct.pack(">I", len(sealed)) + sealed)


def decrypt(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """What was encrypted; nothing of a chunk is given before it has proved to be whole.

    Raises:
        CairnError: it is no backup, or wrong in the way that WRONG says.
    """
    header = file.read(len(MAGIC) + SALT + PREFIX)
    if not header.startswith(MAGIC):
        raise CairnError("this is not a backup of `cairn backup`")
    salt, prefix = header[len(MAGIC) : len(MAGIC) + SALT], header[len(MAGIC) + SALT :]
    cipher = _cipher(passphrase, salt)
    for number, (sealed, last) in enumerate(_with_last(_sealed(file))):
        try:
            yield cipher.decrypt(_nonce(prefix, number, last), sealed, header)
        except InvalidTag as error:
            raise CairnError(WRONG) from error


def _sealed(file: BinaryIO) -> Iterator[bytes]:
    empty = True
    while size := file.read(4):
        length = int.from_bytes(size, "big")
        sealed = file.read(length) if len(size) == 4 and TAG <= length <= CHUNK + TAG else b""  # noqa: PLR2004 (bytes of a length)
        if len(sealed) != length or not sealed:
            raise CairnError(WRONG)
        empty = False
        yield sealed
    if empty:
        raise CairnError(WRONG)


def _chunks(data: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of CHUNK; at least one piece."""
    held = bytearray()
    for each in data:
        held += each
        while len(held) > CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    yield bytes(held)


def _with_last(items: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    held: bytes | None = None
    for item in items:
        if held is not None:
            yield held, False
        held = item
    if held is not None:
        yield held, True
