"""Has whole parts worked through by prebuilt servers, beside their models: no row travels. Used by the driver."""

import json
import queue
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from workloads import contract
from workloads.batch.servers import message_of
from workloads.batch.tries import Tries
from workloads.batch.wish import Counts, NoInput, Part, Wish


class Workers:
    """Servers that take one part at a time each.

    Args:
        urls: base URLs.
        token_file: of the job's own token, which the servers have too and ask for.
    """

    def __init__(self, urls: Sequence[str], token_file: Path, pause: Callable[[float], None] = time.sleep) -> None:
        self._free: queue.SimpleQueue[str] = queue.SimpleQueue()
        for url in urls:
            self._free.put(url)
        self._token_file, self._pause = token_file, pause

    def work(self, wish: Wish, part: Part) -> Counts:
        """The part's counts, its outputs in place.

        Raises:
            NoInput: the part can't be worked through, ever.
            NoServer: no server does it.
        """
        body = json.dumps({"wish": asdict(wish), "part": asdict(part)}).encode()
        tries = Tries()
        while True:
            tries.check(f"part {part.number}")
            url = self._free.get()
            try:
                status, content = self._ask(url, body)
            except (OSError, HTTPException) as error:
                tries.silent(url, error)
            else:
                if status == HTTPStatus.OK:
                    raw = json.loads(content)
                    return Counts(**{**raw, "errors": tuple(raw["errors"])})
                problem = message_of(status, content)
                if status == HTTPStatus.BAD_REQUEST:
                    raise NoInput(problem)
                tries.refused(problem)
            finally:
                self._free.put(url)
            self._pause(tries.pause_s)

    def _ask(self, url: str, body: bytes) -> tuple[int, bytes]:
        """The answer, however long it takes: a server that is gone breaks the connection."""
        connection = HTTPConnection(urlsplit(url).netloc)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            token = self._token_file.read_text(encoding="utf-8").strip()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", contract.PATH_PARTS, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
