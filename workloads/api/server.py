"""uvicorn, which loses no request when it is told to stop. Called by __main__.py.

Its own end resets connections that wait to be accepted, and closes those whose request it has not read yet. Behind a
gateway that opens one for each request, both are requests of clients, and one that changes something is not sent twice.
"""

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import uvicorn

TURNS: Final = 10  # of the loop, until a connection that it has accepted is one of the server's
READ_S: Final = 2.0  # for a request to come on a connection that is there
LOOK_S: Final = 0.01


class Server(uvicorn.Server):
    """It takes no new connection, answers those that it has, and ends."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept what waits, close at once what is listened on, and give each connection time to say what it wants."""
        waiting = [connection for each in sockets or () for connection in _accepted(each)]
        for server in self.servers:
            server.close()
        await self._serve_too(waiting)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        deadline = asyncio.get_running_loop().time() + READ_S
        # uvicorn tells nobody of a request
        while self._is_unheard() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await super().shutdown(sockets)

    async def _serve_too(self, connections: list[socket.socket]) -> None:
        make = partial(
            cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class),
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        for each in connections:
            await asyncio.get_running_loop().connect_accepted_socket(make, each)

    def _is_unheard(self) -> bool:
        """Whether there is a connection whose first request has not come."""
        return any(getattr(each, "cycle", self) is None for each in self.server_state.connections)


def _accepted(listening: socket.socket) -> list[socket.socket]:
    """The connections that wait to be accepted."""
    found = list[socket.socket]()
    while True:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, InterruptedError):
            return found
        connection.setblocking(False)
        found.append(connection)
