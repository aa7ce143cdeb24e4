"""The Cloud Storage surface as Starlette routes, for the API to mount at its root."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workloads.api.storage import batch, dispatch
from workloads.api.storage.call import StorageDeps

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_PREFIXES: Final = ("/storage/v1", "/upload/storage/v1", "/resumable/upload/storage/v1", "/download/storage/v1")


class _Anything(Convertor[str]):
    """The rest of a path, line breaks included: a hostile name is to be answered, not missed."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("anything", _Anything())


def routes(deps: StorageDeps) -> list[Route]:
    """Routes for /storage/v1, /upload, /resumable, /download and /batch/storage/v1."""
    deps.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
    one = _endpoint(dispatch.answer, deps)
    many = _endpoint(batch.answer, deps)
    found = [Route(prefix + "/{rest:anything}", one, methods=list(_METHODS)) for prefix in _PREFIXES]
    return [*found, Route("/batch/storage/v1", many, methods=["POST"])]


def _endpoint(
    handler: Callable[[Request, StorageDeps], Awaitable[Response]], deps: StorageDeps
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await handler(request, deps)

    return endpoint
