"""Values that the database must not know: AES-256-GCM with a key from a secret file of the API and the controllers."""

import hashlib
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


class Unsealable(Exception):
    """The value was sealed with another key, for another place, or is damaged."""


class Seal:
    """Seals and opens values.

    Args:
        key: a random text of 128 bits or more, as Pulumi makes it.
    """

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(hashlib.sha256(b"cairn secrets 1\0" + key.encode()).digest())

    def close(self, value: bytes, place: str) -> bytes:
        """The sealed value, which opens at its place only: it can't be moved to another row."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        """The value.

        Raises:
            Unsealable: this key and place don't open it.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except InvalidTag as error:
            raise Unsealable(f"the value of {place} was sealed with another key than this stack's") from error
