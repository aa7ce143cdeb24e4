"""Asks the model servers by Vertex's contract. Used by the driver, from several threads at once.

What a server refuses is an instance's fault; what a server fails to answer is tried again.
"""

import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final, Self
from urllib.parse import urlsplit

from workloads.batch.batches import Batch, to_json
from workloads.batch.tries import NoServer, Tries
from workloads.batch.wish import INVALID_ARGUMENT
from workloads.batch.work import Pace, Refusal

_TIMEOUT_S: Final = 600.0
_UNAVAILABLE: Final = frozenset({408, 429, 502, 503, 504})
_INTERNAL: Final = 13  # google.rpc.Code


class Servers:
    """All servers of the job's model, asked in turn. A context manager: it closes its connections at the end.

    Args:
        urls: base URLs.
        parameters: sent with every request when not None.
        batch_size: the most instances of a request; 0 for as many as suit.
    """

    def __init__(
        self,
        urls: Sequence[str],
        predict_route: str,
        health_route: str,
        parameters: Any = None,
        batch_size: int = 0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._urls = tuple(urls)
        self._turns = itertools.count()
        self._predict_route, self._health_route = predict_route, health_route
        self._tail = "}" if parameters is None else f',"parameters":{json.dumps(parameters)}}}'
        self._pace = Pace(batch_size)
        self._pause = pause
        self._connections = threading.local()  # a connection serves one request at a time, so each thread has its own
        self._opened: list[HTTPConnection] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._opened:
            connection.close()

    def wait(self, timeout_s: float) -> None:
        """Return once each server is healthy.

        Raises:
            NoServer: one is not, within the time.
        """
        deadline = time.monotonic() + timeout_s
        for url in self._urls:
            print(f"batch: waiting for the model server {url}", flush=True)
            while not self._is_healthy(url):
                if time.monotonic() > deadline:
                    raise NoServer(
                        f"the model server {url} was not healthy within {timeout_s:.0f} s; see the job's logs"
                    )
                self._pause(0.5)

    def rows(self, batch: Batch) -> int:
        """See work.Predictor."""
        return self._pace.rows(batch)

    def predict(self, batch: Batch) -> list[Any]:
        """See work.Predictor.

        Raises:
            NoServer: no server answers.
        """
        started = time.monotonic()
        status, content = self._post(f'{{"instances":{to_json(batch.instances())}{self._tail}'.encode())
        self._pace.took(len(batch), time.monotonic() - started)
        if status != HTTPStatus.OK:
            code = _INTERNAL if status >= HTTPStatus.INTERNAL_SERVER_ERROR else INVALID_ARGUMENT
            raise Refusal(code, message_of(status, content))
        try:
            predictions = json.loads(content)["predictions"]
        except (ValueError, KeyError, TypeError) as error:
            raise Refusal(_INTERNAL, f"the server's answer has no predictions: {error!r}") from error
        if not isinstance(predictions, list) or len(predictions) != len(batch):
            raise Refusal(
                _INTERNAL, f"the server's answer doesn't hold one prediction for each of {len(batch)} instances"
            )
        return predictions

    def _post(self, body: bytes) -> tuple[int, bytes]:
        """The answer of the next server that gives one."""
        tries = Tries()
        while True:
            tries.check("a request to the model servers")
            url = self._urls[next(self._turns) % len(self._urls)]
            try:
                status, content = self._request(url, "POST", self._predict_route, body)
                if status not in _UNAVAILABLE:
                    return status, content
                tries.refused(message_of(status, content))
            except (OSError, HTTPException) as error:
                self._drop(url)
                tries.silent(url, error)
            if tries.count >= len(self._urls):
                self._pause(tries.pause_s)

    def _is_healthy(self, url: str) -> bool:
        try:
            return self._request(url, "GET", self._health_route)[0] == HTTPStatus.OK
        except (OSError, HTTPException):
            self._drop(url)
            return False

    def _request(self, url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connections: dict[str, HTTPConnection] = self._connections.__dict__
        if url not in connections:
            connections[url] = HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
            self._opened.append(connections[url])
        connections[url].request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connections[url].getresponse()
        return response.status, response.read()

    def _drop(self, url: str) -> None:
        """Forget this thread's connection, which is in an unknown state."""
        connection: HTTPConnection | None = self._connections.__dict__.pop(url, None)
        if connection:
            connection.close()
            self._opened.remove(connection)


def message_of(status: int, content: bytes) -> str:
    """The server's own words, from Google's error model if it keeps to that."""
    try:
        return str(json.loads(content)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}: {content[:200].decode('utf-8', 'replace')}"
