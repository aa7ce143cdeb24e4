"""The token check around MLflow's application: nothing but the health check is answered without a token.

Pure ASGI, so it adds microseconds and streams through. The token comes as Bearer (MLFLOW_TRACKING_TOKEN) or as the
password of Basic (a browser's login).
"""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final

from workloads import contract
from workloads.tokens import InvalidToken, Principal, Verify
from workloads.tracking import audit, rules

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH: Final = frozenset({contract.PATH_HEALTH, "/health"})
MAX_CHECKED_BYTES: Final = 1 << 20
_CHALLENGE: Final = (b"www-authenticate", b'Basic realm="Cairn: any user name, the token as password", charset="UTF-8"')


class TokenGuard:
    """An ASGI application around another.

    Args:
        log: makes an entry of the audit log durable; without it none are made.
    """

    def __init__(self, app: App, verify: Verify, log: audit.Write | None = None) -> None:
        self._app = app
        self._verify = verify
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the request through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["path"] in HEALTH:
            await _answer(send, 200, b'{"status": "ok"}')
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = self._principal(scope)
        except InvalidToken as error:
            await _answer(send, 401, _error("UNAUTHENTICATED", str(error)), _CHALLENGE)
            return
        if self._log and audit.is_change(principal, scope["method"], scope["path"]):
            body = await _body(receive)
            if len(body) > MAX_CHECKED_BYTES:
                await _answer(send, 413, _error("INVALID_PARAMETER_VALUE", f"more than {MAX_CHECKED_BYTES} bytes"))
                return
            receive = _replay(body, receive)
            send = _logged(send, partial(audit.deed, principal, scope, body), self._log)
        await self._check(principal, scope, receive, send)

    async def _check(self, principal: Principal, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if rules.asks_for_store_urls(path):
            await _answer(send, 501, _error("NOT_IMPLEMENTED", "artefacts go through this server, not past it"))
            return
        why = rules.refusal(principal, scope["method"], path)
        if not why and rules.names_place(principal, path):
            body = await _body(receive)
            why = rules.place_refusal(principal, path, body)
            receive = _replay(body, receive)
        if why:
            await _answer(send, 403, _error("PERMISSION_DENIED", f"{scope['method']} {path}: {why}"))
            return
        await self._app(scope, receive, send)

    def _principal(self, scope: Scope) -> Principal:
        """Who asks; raises InvalidToken."""
        value = next((v for k, v in scope["headers"] if k == b"authorization"), b"").decode("latin-1")
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "basic":
            try:
                credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError) as error:
                raise InvalidToken("the Authorization header is not valid Basic") from error
        elif scheme.lower() != "bearer":
            raise InvalidToken("tracking needs a token: set MLFLOW_TRACKING_TOKEN (`cairn env` prints it)")
        return self._verify(credentials.strip())


def _logged(send: Send, entry: Callable[[int], audit.Deed], log: audit.Write) -> Send:
    """A `send` that holds an answer back until its entry is in the audit log, and refuses where none can be."""
    unwritten = False

    async def after(message: MutableMapping[str, Any]) -> None:
        nonlocal unwritten
        if message["type"] == "http.response.start":
            unwritten = not await audit.write(entry(message["status"]), log)
            if unwritten:
                why = "the audit log can't be written, so nothing is acknowledged; try again"
                await _answer(send, 503, _error("TEMPORARILY_UNAVAILABLE", why))
        if not unwritten:
            await send(message)

    return after


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    every = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})


def _error(code: str, message: str) -> bytes:
    """An error as MLflow's client reads it."""
    return json.dumps({"error_code": code, "message": message}).encode()


async def _body(receive: Receive) -> bytes:
    """The request's body, up to a limit that no honest one of these requests reaches; cut there, it is no JSON."""
    body, more = b"", True
    while more and len(body) <= MAX_CHECKED_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message["type"] == "http.request" and message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then what follows (the client's leaving)."""
    waiting = [body]

    async def again() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again
