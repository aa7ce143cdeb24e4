"""uvicorn, which loses no request when it is told to stop. Called by __main__.py.

Its own end resets connections that wait to be accepted, and closes those whose request it has not read yet. Behind a
gateway that opens one for each request, both are requests of clients, and one that changes something is not sent twice.
"""

import asyncio
import ctypes
import socket
import struct
from typing import Final

import uvicorn

DRAIN_S: Final = 0.5  # for what is accepted to be read; far longer than a busy loop takes for a turn
SO_ATTACH_FILTER: Final = 26  # Linux
DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)  # a classic BPF program of one instruction: take no byte


class Server(uvicorn.Server):
    """It hears no more clients, answers those that it has, and ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Leave new connections to try again, as while nothing listens; give those that are there time to be read."""
        for each in sockets or ():
            deafen(each)
        await asyncio.sleep(DRAIN_S)
        await super().shutdown(sockets)


def deafen(listening: socket.socket) -> None:
    """No packet reaches the socket any more; connections that it has stay as they are.

    Their kernel repeats the first packet of new ones after a second, and is refused then, when the socket is closed.
    """
    program = ctypes.create_string_buffer(DROP_ALL)
    listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(program)))
