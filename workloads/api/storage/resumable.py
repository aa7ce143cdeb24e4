"""Resumable uploads: sessions that survive a restart of the API.

A session is a folder <uploads>/<id>: session.json (what is to be made) and data (what has arrived). A chunk is
acknowledged after it is on disk; the object is made when the last byte is there.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from anyio import to_thread
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from workloads.api.storage import preconditions, resource, spool, uploads
from workloads.api.storage.call import Call
from workloads.api.storage.errors import StorageError

_ID: Final = re.compile(r"[A-Za-z0-9_-]{40,64}")
_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_KEEP_S: Final = 7 * 24 * 3600  # as long as Google keeps a session
_RESUME: Final = 308
_CANCELLED: Final = 499


@dataclass(frozen=True)
class _Range:
    """A Content-Range: where the chunk begins, and what the total is if it is known."""

    start: int | None
    total: int | None


async def start(call: Call) -> Response:
    """POST /upload/…?uploadType=resumable: answers where to send the content."""
    message = {"name": call.params.get("name", "")} | await call.json()
    headers = call.request.headers
    message.setdefault("contentType", headers.get("x-upload-content-type"))
    uploads.check_start(call, message)
    if preconditions.present(call.params):
        preconditions.check(call.params, await call.head(call.bucket, str(message["name"])))
    _forget_old(call.deps.uploads)
    upload_id = secrets.token_urlsafe(36)
    params = {k: v for k, v in call.params.items() if k.startswith("if")}
    record = {"bucket": call.bucket, "message": message, "params": params}
    record["subject"] = call.principal.subject
    await to_thread.run_sync(_create, call.deps.uploads / upload_id, record)
    path = call.request.url.path
    location = f"{call.base_url}{path}?uploadType=resumable&upload_id={upload_id}"
    return Response(status_code=200, headers={"location": location, "x-guploader-uploadid": upload_id})


async def chunk(call: Call) -> Response:
    """PUT to a session: content, or the question how much is there."""
    folder, record = _find(call)
    if "done" in record:
        return JSONResponse(record["done"])
    wanted = _content_range(call)
    with _exclusive(folder) as file:
        have = os.fstat(file.fileno()).st_size
        if wanted.start is not None:
            have = await _append(call, file, wanted.start, have)
        if wanted.total is None or have < wanted.total:
            return _incomplete(have)
        return await _complete(call, folder, record, file, wanted.total)


async def cancel(call: Call) -> Response:
    """DELETE of a session."""
    folder, _ = _find(call)
    await to_thread.run_sync(shutil.rmtree, folder)
    return Response(status_code=_CANCELLED)


async def _append(call: Call, file: BinaryIO, begin: int, have: int) -> int:
    """Write the request's body at the end of what is there; what is there already is skipped, a gap refused."""
    if begin > have:
        raise StorageError(
            400, f"The chunk begins at byte {begin}, but only {have} have arrived; ask with 'bytes */*'."
        )
    position = begin
    try:
        async for block in _blocks(call.request.stream()):
            fresh = block[max(0, have - position) :]
            position += len(block)
            if fresh:
                await to_thread.run_sync(os.pwrite, file.fileno(), fresh, have)
                have += len(fresh)
    except ClientDisconnect:
        return have  # the client will ask how much has arrived
    finally:
        await to_thread.run_sync(os.fsync, file.fileno())
    return have


async def _complete(call: Call, folder: Path, record: dict[str, Any], file: BinaryIO, total: int) -> Response:
    body = await to_thread.run_sync(spool.measure, file)
    if body.size != total:
        raise StorageError(400, f"{body.size} bytes have arrived, more than the {total} that were announced.")
    started = replace(call, params=record["params"])
    stored = await uploads.store(started, record["message"], body, uploads.checksums(call.request))
    message = resource.to_message(stored, call.base_url)
    await to_thread.run_sync(_finish, folder, record | {"done": message})
    return JSONResponse(message)


def _content_range(call: Call) -> _Range:
    """The chunk's place; a PUT without Content-Range brings everything."""
    headers = call.request.headers
    text = headers.get("content-range")
    if text is None:
        return _Range(0, int(headers["content-length"]) if "content-length" in headers else None)
    found = _RANGE.fullmatch(text)
    if not found:
        raise StorageError(
            400, f"Content-Range '{text}' is not of the form 'bytes 0-99/100', 'bytes 0-99/*' or 'bytes */*'."
        )
    first, _, total = found.groups()
    return _Range(int(first) if first is not None else None, int(total) if total != "*" else None)


def _incomplete(have: int) -> Response:
    return Response(status_code=_RESUME, headers={"range": f"bytes=0-{have - 1}"} if have else {})


async def _blocks(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream in blocks that are worth a write."""
    block = bytearray()
    async for piece in stream:
        block += piece
        if len(block) >= spool.BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _find(call: Call) -> tuple[Path, dict[str, Any]]:
    """The session of the request, or a 404."""
    upload_id = call.params.get("upload_id", "")
    folder = call.deps.uploads / upload_id
    try:
        record: dict[str, Any] = json.loads((folder / "session.json").read_text()) if _ID.fullmatch(upload_id) else {}
    except FileNotFoundError:
        record = {}
    if record.get("bucket") != call.bucket or record.get("subject") != call.principal.subject:
        raise StorageError(
            404, "No such upload session: it was finished, cancelled, is older than a week, or not yours."
        )
    return folder, record


@contextlib.contextmanager
def _exclusive(folder: Path) -> Iterator[BinaryIO]:
    """The session's data file, for one request at a time; the lock ends with the process, whatever happens."""
    with (folder / "data").open("r+b", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(503, "Another request is writing to this upload session; try again.") from error
        yield file


def _create(folder: Path, record: Mapping[str, Any]) -> None:
    """Make the session's folder; it appears whole or not at all."""
    building = folder.with_name(f".{folder.name}")
    building.mkdir(mode=0o700)
    (building / "data").touch()
    _write(building / "session.json", record)
    building.rename(folder)


def _finish(folder: Path, record: Mapping[str, Any]) -> None:
    """Keep the answer, in case the client did not get it; the content is in the store now."""
    _write(folder / "session.json", record)
    (folder / "data").unlink()


def _write(path: Path, record: Mapping[str, Any]) -> None:
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


def _forget_old(uploads_dir: Path) -> None:
    """Remove the sessions that are older than Google would keep them."""
    oldest = time.time() - _KEEP_S
    for folder in uploads_dir.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another request may be removing it too
            if folder.is_dir() and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)
