"""One line per request: method, path without query, status, milliseconds, principal. Never a token."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_log = logging.getLogger("cairn.api.access")
_QUIET = frozenset({"/healthz"})  # asked every few seconds by the engine


class AccessLog:
    """ASGI middleware; plain ASGI, so streams stay streams."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and log its answer."""
        if scope["type"] != "http" or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        begin, status = time.monotonic(), 0
        scope.setdefault("state", {})

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            path = scope["raw_path"].decode("latin-1")[:500]
            who = scope["state"].get("principal", "-")
            _log.info("%s %s %d %.1f ms %s", scope["method"], path, status, (time.monotonic() - begin) * 1000, who)
