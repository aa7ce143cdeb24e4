"""The predictions that HAProxy hands to the agent whole, and where they go: to the log, to shadows, or to both.

HAProxy writes one message for each into a socket, over which it never waits: when that is full, the message is dropped.
It does so when the answer has been sent, so nothing here can hold a client up.
"""

import base64
import binascii
import json
import socket
import time
from dataclasses import dataclass
from typing import Any, Final

from workloads.gateway.request_log import SYNC_S, Record, Spool
from workloads.gateway.routes import MEMBERS_BEGIN
from workloads.gateway.shadows import Original, Shadows
from workloads.gateway.splits import PREFIX

ROOM: Final = 1 << 20  # bytes in the socket; the kernel may give less (net.core.wmem_max)
# What config.py adds to the line of measures.py: who it is about (`request_log.about`), ids of the shadows that get a
# copy, both bodies, a mark that the line is whole.
FORMAT: Final = "%[var(txn.log)] %[var(txn.shadows)] %[var(txn.asked),base64] %[var(txn.answered),base64] ."
_MEASURED: Final = 4  # words of measures.py at the line's beginning
_WORDS: Final = _MEASURED + 5
_NONE: Final = b"-"  # how HAProxy writes what is not there


@dataclass(frozen=True)
class Message:
    """What HAProxy tells of one prediction. A body is None where it was too large, compressed, or cut off.

    Attributes:
        about: whose it is and where it is logged (`request_log.about`), and of a shadow's the request's id; "" for one
            that is not logged.
        shadows: ids of deployed models that get a copy.
    """

    original: Original
    about: str
    shadows: tuple[str, ...]
    answered: bytes | None

    def record(self) -> Record | None:
        """As it is logged; None if it is not.

        Raises:
            ValueError, TypeError, KeyError: `about` is none.
        """
        if not self.about:
            return None
        word, _, request_id = self.about.partition(".")
        known: dict[str, Any] = json.loads(base64.b64decode(word, validate=True))
        answered = _without_members(self.answered, known.pop("added"))
        if request_id:
            known["request_id"] = request_id
        return Record(**known, request_payload=_payload(self.original.body), response_payload=_payload(answered))


def parse(line: bytes) -> Message:
    """The message in a line.

    Raises:
        ValueError: it was cut off, or is none.
    """
    words = line.rstrip(b"\n").split(b" ")
    if len(words) != _WORDS or words[-1] != b".":
        raise ValueError(f"{len(line)} bytes are no whole message")
    about, shadows, asked, answered = words[_MEASURED:-1]
    return Message(
        original=Original(b" ".join(words[:_MEASURED]), _body(asked)),
        about="" if about == _NONE else about.decode("ascii"),
        shadows=tuple(shadows.decode("ascii").split(",")[1:]),
        answered=_body(answered),
    )


def _body(word: bytes) -> bytes | None:
    return None if word == _NONE else base64.b64decode(word, validate=True)


def _without_members(body: bytes | None, added: int) -> bytes | None:
    """What the model itself answered: only a successful prediction begins with the platform's members."""
    if body and added and body.startswith(MEMBERS_BEGIN):
        return b"{" + body[1 + added :]
    return body


def _payload(body: bytes | None) -> tuple[str, ...]:
    return () if body is None else (body.decode("utf-8", "replace"),)


class Channel:
    """What HAProxy's workers, old and new, write to: a message is there whole or not at all."""

    def __init__(self, spool: Spool, shadows: Shadows) -> None:
        self._spool, self._shadows = spool, shadows
        self._reader, self._writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        self._reader.settimeout(SYNC_S / 4)

    @property
    def writer(self) -> int:
        """The file descriptor that HAProxy is to inherit."""
        return self._writer.fileno()

    def read(self) -> None:
        """Pass messages on until every writer has ended."""
        while (line := self._receive()) != b"":
            if line is not None:
                self._pass_on(line)
            self._spool.tend(time.time())
        self._reader.close()
        self._spool.tend(time.time(), is_over=True)

    def _receive(self) -> bytes | None:
        try:
            return self._reader.recv(1 << 17)
        except TimeoutError:
            return None

    def _pass_on(self, line: bytes) -> None:
        if not line.startswith(PREFIX.encode()):
            return  # a notice of HAProxy's own, that it starts or stops
        try:
            message = parse(line)
            if record := message.record():
                self._spool.add(record, time.time())
            if message.shadows:
                self._shadows.take(message.original, message.shadows, record.request_id if record else "")
        except (ValueError, TypeError, KeyError, binascii.Error, OSError) as error:
            self._spool.dropped += 1
            print(f"gateway: a logged or copied prediction is lost: {error}", flush=True)

    def close(self) -> None:
        """Let `read` end once it has read all."""
        self._writer.close()
