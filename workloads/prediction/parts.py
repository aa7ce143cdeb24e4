"""Works through parts of a batch prediction job beside the model, for the job's driver only: it has the same token.

Whatever this needs is imported with the first part, so that servers of endpoints stay as small as they are.
"""

import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from workloads import contract
from workloads.gcs import StorageError
from workloads.prediction.model import Model

if TYPE_CHECKING:
    from workloads.batch.wish import Part, Wish

TOKEN_FILE = Path(contract.SECRETS_DIR) / contract.SECRET_TOKEN


def route(model: Model, token_file: Path = TOKEN_FILE) -> Callable[[Request], Awaitable[Response]]:
    """The handler of contract.PATH_PARTS: {"wish": …, "part": …} → the part's counts, its outputs in place."""

    async def handle(request: Request) -> Response:
        if not _allowed(request.headers.get("authorization", ""), token_file):
            return _problem(401, "the token is not this server's own")
        from workloads.batch.wish import NoInput, Part, Wish

        try:
            raw = json.loads(await request.body())
            wish = Wish(**raw["wish"])
            part = Part(**{**raw["part"], "columns": tuple(raw["part"]["columns"])})
            return JSONResponse(asdict(await run_in_threadpool(_work, model, wish, part)))
        except (NoInput, ValueError, KeyError, TypeError) as error:
            return _problem(400, str(error))
        except (OSError, StorageError) as error:
            return _problem(503, str(error))

    return handle


def _allowed(authorization: str, token_file: Path) -> bool:
    try:
        expected = f"Bearer {token_file.read_text(encoding='utf-8').strip()}"
    except OSError:
        return False
    return hmac.compare_digest(authorization.encode(), expected.encode())


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"error": {"code": status, "message": message}}, status)


def _work(model: Model, wish: "Wish", part: "Part") -> Any:
    from workloads.batch.objects import reached
    from workloads.batch.work import work
    from workloads.prediction.columns import Local

    return work(reached(wish.output_directory), wish, part, Local(model, wish))
