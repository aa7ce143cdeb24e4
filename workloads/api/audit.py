"""Writes down who changed what: every mutating request of a known principal, refused ones too, before it is answered.

ASGI middleware around everything, so that no way to change something can be forgotten. A request whose entry can't be
written is answered UNAVAILABLE, whatever became of it: nothing that was acknowledged is missing from the log. Not
logged: reads, predictions, and requests without a valid token (the request log has those). Never a body or a query.
MLflow's changes are answered by tracking, which tells of them (workloads/tracking/audit.py) by the same rules.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import fields
from typing import Any, Final, cast
from urllib.parse import unquote

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workloads import contract
from workloads.api.errors import ApiError, invalid
from workloads.store import Deed, StoreError

_log = logging.getLogger(__name__)
MUTATING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
READING_VERBS: Final = ("predict", "rawPredict", "streamRawPredict", "wait", "explain")
LONGEST: Final = 500  # characters of a path
_FAILED: Final = ApiError("UNAVAILABLE", "The audit log can't be written, so nothing is acknowledged; try again.")


class AuditLog:
    """Around the app.

    Args:
        add: makes an entry durable.
    """

    def __init__(self, app: ASGIApp, add: Callable[[Deed], None]) -> None:
        self._app, self._add = app, add

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; hold its answer back until it is logged."""
        if scope["type"] != "http" or not is_change(scope["method"], scope["path"]):
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        refused = False

        async def logged(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = not await self._log(scope, message["status"])
                if refused:
                    await _refuse(send)
            if not refused:
                await send(message)

        await self._app(scope, receive, logged)

    async def _log(self, scope: Scope, status: int) -> bool:
        """Whether the entry is written, or none is called for."""
        deed = _deed(scope, status)
        if deed is None:
            return True
        try:
            await run_in_threadpool(self._add, deed)
        except StoreError as error:
            _log.error("no entry for %s of %s (%d): %s", deed.method, deed.principal, status, error)
            return False
        return True


def is_change(verb: str, path: str) -> bool:
    """Whether such a request changes anything, or opens a secret, if it is carried out."""
    if path.endswith(":access"):  # a secret's value is given away
        return True
    if verb not in MUTATING or path == contract.PATH_TOKEN_EXCHANGE:
        return False
    return path.rsplit("/", 1)[-1].partition(":")[2] not in READING_VERBS


def _deed(scope: Scope, status: int) -> Deed | None:
    """What the handlers have noted in the request's state, completed from the request."""
    state = scope["state"]
    if "deed" in state:  # somebody else's, whom this request tells of
        return cast("Deed", state["deed"])
    if "principal" not in state:
        return None
    path = unquote(scope["raw_path"].decode("latin-1"), errors="replace").partition("?")[0]
    source = next((value for name, value in scope["headers"] if name == b"x-forwarded-for"), b"").decode("latin-1")
    return Deed(
        principal=state["principal"],
        role=state.get("role", ""),
        method=state.get("method", scope["method"]),
        resource=_plain(state.get("resource", path)),
        status=status,
        source=_plain(source or (scope.get("client") or ("",))[0]),
    )


def reported(body: bytes) -> Deed:
    """The deed that another service, which answers changes itself, tells of.

    Raises:
        ApiError: INVALID_ARGUMENT: it is none.
    """
    try:
        entry: Any = json.loads(body)
    except ValueError:
        entry = None
    wanted = {each.name: each.type for each in fields(Deed)}
    if not isinstance(entry, dict) or {name: type(value) for name, value in entry.items()} != wanted:
        raise invalid(
            f"An entry is a JSON object with {', '.join(wanted)}; status is a whole number, the others texts."
        )
    values: dict[str, Any] = {name: _plain(value) if isinstance(value, str) else value for name, value in entry.items()}
    return Deed(**values)


def _plain(text: str) -> str:
    """As PostgreSQL keeps it, and not longer than an honest one."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:LONGEST]


async def _refuse(send: Send) -> None:
    body = json.dumps(_FAILED.body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": _FAILED.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
