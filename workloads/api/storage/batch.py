"""POST /batch/storage/v1: many small requests in one, as Client.batch() sends them."""

import asyncio
import secrets
from email.message import Message
from email.parser import BytesParser
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from workloads.api.storage import dispatch
from workloads.api.storage.call import StorageDeps, read_limited
from workloads.api.storage.errors import StorageError

MAX_CALLS: Final = 1000
_MAX_BYTES: Final = 10 << 20
_KEPT: Final = {"authorization", "host", "x-forwarded-proto"}  # of the batch, for each of its requests


async def answer(request: Request, deps: StorageDeps) -> Response:
    """Run the parts side by side; the answer's parts are in their order."""
    try:
        body = await read_limited(request, _MAX_BYTES)
        parts = _parts(request.headers.get("content-type", ""), body)
    except StorageError as error:
        return error.to_response()
    answers = await asyncio.gather(*(_run(part, request, deps) for part in parts))
    boundary = f"batch_{secrets.token_hex(12)}"
    content = (
        b"".join(_part(boundary, p, a) for p, a in zip(parts, answers, strict=True)) + f"--{boundary}--\r\n".encode()
    )
    return Response(content, media_type=f"multipart/mixed; boundary={boundary}")


def _parts(content_type: str, body: bytes) -> list[Message]:
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = message.get_payload()
    if not message.is_multipart() or not isinstance(parts, list):
        raise StorageError(400, "A batch must be multipart/mixed with one application/http part per request.")
    if len(parts) > MAX_CALLS:
        raise StorageError(400, f"A batch has at most {MAX_CALLS} requests, not {len(parts)}.")
    return [part for part in parts if isinstance(part, Message)]


async def _run(part: Message, outer: Request, deps: StorageDeps) -> Response:
    try:
        request = _request(part, outer)
    except ValueError as error:
        return StorageError(400, f"A part of the batch is not an HTTP request: {error}").to_response()
    response = await dispatch.answer(request, deps)
    if isinstance(response, StreamingResponse):
        return StorageError(400, "Content can't be downloaded in a batch.").to_response()
    return response


def _request(part: Message, outer: Request) -> Request:
    """The part's text as a request that came like the batch did."""
    text = part.get_payload(decode=True)
    if not isinstance(text, bytes):
        raise ValueError("it is empty")  # noqa: TRY004  (a malformed body, not a programming error)
    line, _, rest = text.lstrip().partition(b"\n")
    method, target, *_ = line.decode("latin-1").split()
    inner = BytesParser().parsebytes(rest)
    url = urlsplit(target)
    if "/upload/" in url.path or not url.path.startswith("/storage/v1/"):
        raise ValueError(f"{url.path} can't be part of a batch")
    kept = [(k, v) for k, v in outer.headers.raw if k.decode("latin-1") in _KEPT]
    own = [(k.lower().encode(), str(v).encode()) for k, v in inner.items() if k.lower() not in _KEPT]
    scope: dict[str, Any] = dict(outer.scope) | {
        "method": method,
        "path": url.path,
        "raw_path": url.path.encode("latin-1"),
        "query_string": url.query.encode("latin-1"),
        "headers": kept + own,
    }
    content = inner.get_payload(decode=True)
    return Request(scope, _receive_once(content if isinstance(content, bytes) else b""))


def _receive_once(content: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content.strip(), "more_body": False}

    return receive


def _part(boundary: str, part: Message, response: Response) -> bytes:
    status = HTTPStatus(response.status_code)
    name = str(part.get("Content-ID", "")).strip("<>")
    lines = [f"--{boundary}", "Content-Type: application/http"]
    lines += [f"Content-ID: <response-{name}>"] if name else []
    lines += ["", f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{k.decode('latin-1')}: {v.decode('latin-1')}" for k, v in response.raw_headers]
    return "\r\n".join([*lines, "", ""]).encode() + bytes(response.body) + b"\r\n"
