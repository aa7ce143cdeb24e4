"""The ASGI app: authentication, dispatch to handlers, errors in Google's model. Built by __main__.py and by tests."""

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from workloads import contract, tokens
from workloads.api import access_log, audit, auth, calls, extensions, secret_manager, served
from workloads.api.errors import ApiError, invalid, not_found, translate, unimplemented
from workloads.api.handlers import Context, Json
from workloads.api.vertex import messages, methods
from workloads.tokens import Principal

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
READ_BYTES: Final = 4 * MAX_BODY_BYTES  # so much is read of a body, kept or not: an answer before its end may get lost
_log = logging.getLogger("cairn.api")


@dataclass(frozen=True)
class Api:
    """The endpoints, with what they need."""

    context: Context
    verify: tokens.Verify

    def principal(self, request: Request) -> Principal:
        """Who asks; kept for the request log and the audit log.

        Raises:
            ApiError: UNAUTHENTICATED.
        """
        found = auth.authenticate(request.headers.get("authorization", ""), self.verify)
        request.state.principal, request.state.role = found.subject, found.role
        return found

    async def health(self, request: Request) -> Response:
        """200 while the database answers."""
        await run_in_threadpool(self.context.store.ping)
        return PlainTextResponse("ok\n")

    async def token(self, request: Request) -> Response:
        """The RFC 8693 exchange; its form's subject token is the credential."""
        code, answer = auth.exchange(await read_body(request), self.verify)
        return JSONResponse(answer, code, {"Cache-Control": "no-store"})

    async def vertex(self, request: Request) -> Response:
        """Any method of Vertex AI."""
        principal = self.principal(request)
        match = methods.match(request.method, request.scope["raw_path"].decode("latin-1"))
        request.state.method = match.method.key
        request.state.resource = next(iter(match.path_fields.values()), request.url.path)
        handler = served.HANDLERS.get(match.method.key)
        if handler is None:
            remedy = served.INSTEAD.get(match.method.key, "see docs/COVERAGE.md for the methods that are")
            raise unimplemented(f"{match.method.key} ({match.method.version}) is not served by this stack; {remedy}.")
        calls.check_location(self.context.config, match)
        call = calls.build(match, request.query_params.multi_items(), await read_body(request), principal)
        auth.authorize(call)
        as_ints = "enum-encoding=int" in request.query_params.get("$alt", "")

        def answered() -> tuple[Json, Response]:  # in a thread to its end: a long list must not keep others waiting
            answer = handler(self.context, call)
            return answer, JSONResponse(messages.render(match.method.response, answer, as_ints))

        answer, response = await run_in_threadpool(answered)
        if match.method.name.startswith(("Create", "Upload")):
            request.state.resource = _made(answer)
        return response


def _made(answer: Json) -> str:
    """The name of what a create or upload has made, as far as it is made already: else its operation's."""
    response = answer.get("response", {})
    return str(response.get("model") or response.get("name") or answer.get("name", ""))


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        ApiError: it is larger than any request has a reason to be.
    """
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > READ_BYTES:
            break
        if size <= MAX_BODY_BYTES:
            chunks.append(chunk)
    if size > MAX_BODY_BYTES:
        raise invalid(f"The request's body is larger than {MAX_BODY_BYTES} bytes; put data into a bucket instead.")
    return b"".join(chunks)


def answer_error(request: Request, error: Exception) -> Response:
    """Any exception in Google's error model; what nobody foresaw gets an incident id and a traceback in the log."""
    if isinstance(error, HTTPException):
        error = not_found(f"{request.method} {request.url.path} is not served; see docs/COVERAGE.md for what is.")
    error = translate(error) or error
    if not isinstance(error, ApiError):
        incident = secrets.token_hex(6)
        _log.error("incident %s: %s %s", incident, request.method, request.url.path, exc_info=error)
        error = ApiError("INTERNAL", f"The API failed; its log tells why under incident {incident}.")
    headers = {"WWW-Authenticate": "Bearer"} if error.status == "UNAUTHENTICATED" else None
    return JSONResponse(error.body(), error.code, headers)


def _guarded(endpoint: Callable[[Request], object]) -> Callable[[Request], object]:
    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)  # type: ignore[no-any-return, misc]
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001  the last resort: no input may end in a bare 500
            return answer_error(request, error)

    return guarded


def create_app(
    context: Context, keys: tokens.Keys, verify: tokens.Verify, routes: Sequence[BaseRoute] = ()
) -> access_log.AccessLog:
    """The app; `keys` sign its own tokens, `routes` are others' (Cloud Storage), tried before Vertex'."""
    api = Api(context, verify)
    verbs = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
    more = extensions.Extensions(context, keys, api.principal, read_body)
    secret_store = secret_manager.SecretManager(context, api.principal, read_body)
    own: list[tuple[str, list[str], Callable[[Request], object]]] = [
        (contract.PATH_HEALTH, ["GET"], api.health),
        (contract.PATH_TOKEN_EXCHANGE, ["POST"], api.token),
        (f"{contract.PATH_EXTENSION}/status", ["GET"], more.status),
        (f"{contract.PATH_EXTENSION}/usage", ["GET"], more.usage),
        (f"{contract.PATH_EXTENSION}/audit", ["GET"], more.audit),
        (f"{contract.PATH_EXTENSION}/audit", ["POST"], more.report),
        (f"{contract.PATH_EXTENSION}/logs/{{name:path}}", ["GET"], more.logs),
        *((path, verbs, secret_store.answer) for path in secret_manager.PATHS),
        ("/{path:path}", verbs, api.vertex),
    ]
    all_routes = [Route(path, _guarded(endpoint), methods=verbs) for path, verbs, endpoint in own]
    handlers = {Exception: answer_error, HTTPException: answer_error}
    app = Starlette(routes=[*all_routes[:-1], *routes, all_routes[-1]], exception_handlers=handlers)
    return access_log.AccessLog(audit.AuditLog(app, context.store.audit.add))
