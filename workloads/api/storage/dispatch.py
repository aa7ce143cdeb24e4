"""From a request's path to its handler.

Object names may hold anything, encoded slashes and '..' too, so the path is taken apart as it came, before decoding.
"""

import errno
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from workloads import tokens
from workloads.api.storage import buckets, downloads, listing, names, objects, resumable, uploads
from workloads.api.storage.call import Call, StorageDeps
from workloads.api.storage.errors import S3Error, StorageError, from_s3

_log = logging.getLogger(__name__)
Handler = Callable[[Call], Awaitable[Response]]

_ALL_BUCKETS: Final[Mapping[str, Handler]] = {"GET": buckets.list_buckets, "POST": buckets.insert}
_BUCKET: Final[Mapping[str, Handler]] = {
    "GET": buckets.get,
    "PATCH": buckets.patch,
    "PUT": buckets.update,
    "DELETE": buckets.delete,
}
_OBJECTS: Final[Mapping[str, Handler]] = {"GET": listing.list_objects}
_OBJECT: Final[Mapping[str, Handler]] = {
    "GET": objects.get,
    "PATCH": objects.patch,
    "PUT": objects.update,
    "DELETE": objects.delete,
}
_VERBS: Final[Mapping[str, Handler]] = {
    "compose": objects.compose,
    "copyTo": objects.copy,
    "rewriteTo": objects.rewrite,
}
_UPLOADS: Final[Mapping[str, Handler]] = {
    "media": uploads.media,
    "multipart": uploads.multipart,
    "resumable": resumable.start,
}
_SESSION: Final[Mapping[str, Handler]] = {"PUT": resumable.chunk, "POST": resumable.chunk, "DELETE": resumable.cancel}
_READS: Final = ("GET", "HEAD")
_PREFIXES: Final = ("/resumable/upload/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/storage/v1/")


async def answer(request: Request, deps: StorageDeps) -> Response:
    """Run the request's handler; whatever goes wrong becomes a Cloud Storage error."""
    try:
        call, handler = _route(request, deps)
        return await handler(call)
    except StorageError as error:
        return Response(status_code=304) if error.status == HTTPStatus.NOT_MODIFIED else error.to_response()
    except S3Error as error:
        return from_s3(error, request.url.path).to_response()
    except tokens.InvalidToken as error:
        return StorageError(401, str(error)).to_response()
    except ClientDisconnect:
        return StorageError(400, "The client went away before its request was whole.").to_response()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _log.exception("no room for uploads in %s", deps.uploads)
        return StorageError(507, "The API's disk for uploads is full; give its volume more room.").to_response()


def _route(request: Request, deps: StorageDeps) -> tuple[Call, Handler]:
    principal = deps.authenticate(request)
    if request.method not in _READS and not principal.writes:
        raise StorageError(
            403, f"{principal.subject} (role {principal.role or 'none'}) only reads objects and buckets."
        )
    raw = request.scope.get("raw_path") or request.url.path.encode()
    path = raw.decode("latin-1")
    prefix = next(p for p in _PREFIXES if path.startswith(p))
    parts = [unquote(part, errors="surrogateescape") for part in path.removeprefix(prefix).split("/")]
    call = Call(request, deps, principal, request.query_params)
    match parts:
        case ["b"]:
            return call, _method(_ALL_BUCKETS, request)
        case ["b", bucket]:
            return _of_bucket(call, bucket), _method(_BUCKET, request)
        case ["b", bucket, "o"]:
            return _of_bucket(call, bucket), _upload(request) if "upload" in prefix else _method(_OBJECTS, request)
        case ["b", bucket, "o", name]:
            return _of_object(call, bucket, name), _object(request, media="download" in prefix)
        case ["b", bucket, "o", name, "compose"] if request.method == "POST":
            return _of_object(call, bucket, name), objects.compose
        case ["b", bucket, "o", name, ("copyTo" | "rewriteTo") as verb, "b", to, "o", new] if request.method == "POST":
            names.check_bucket(to)
            return replace(_of_object(call, bucket, name), target=(to, new)), _VERBS[verb]
        case _:
            raise StorageError(501, f"This part of the Cloud Storage API is not served here: {request.method} {path}")


def _of_bucket(call: Call, bucket: str) -> Call:
    names.check_bucket(bucket)
    call.require_bucket(bucket)
    return replace(call, bucket=bucket)


def _of_object(call: Call, bucket: str, name: str) -> Call:
    names.check_object(name)
    return replace(_of_bucket(call, bucket), name=name)


def _method(handlers: Mapping[str, Handler], request: Request) -> Handler:
    if request.method not in handlers:
        raise StorageError(405, f"{request.method} is not a method of {request.url.path}.")
    return handlers[request.method]


def _object(request: Request, *, media: bool) -> Handler:
    media = media or request.query_params.get("alt") == "media"
    return downloads.media if media and request.method == "GET" else _method(_OBJECT, request)


def _upload(request: Request) -> Handler:
    if "upload_id" in request.query_params:
        return _method(_SESSION, request)
    kind = request.query_params.get("uploadType", "")
    if request.method != "POST" or kind not in _UPLOADS:
        raise StorageError(400, f"uploadType must be one of {', '.join(_UPLOADS)}, sent with POST.")
    return _UPLOADS[kind]
