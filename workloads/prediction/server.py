"""Serves the model over HTTP: Vertex's health and predict routes. Called as the image's command."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workloads import contract
from workloads.prediction import artifacts, instances, parts
from workloads.prediction.instances import BadRequest
from workloads.prediction.model import BadModel, Model
from workloads.prediction.settings import Settings

Handler = Callable[[Request], Awaitable[Response]]


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Load the model, then serve until SIGTERM; 2 when there is nothing that could ever be served."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # while loading; uvicorn then sets its own
    try:
        settings = Settings.from_environment(environ)
        folder = artifacts.fetch(settings.storage_uri, artifacts.local_folder())
        model = Model.load(artifacts.find_model(folder))
    except (ValueError, BadModel, artifacts.NoModel) as error:
        print(f"prediction: {error}", file=sys.stderr)
        return 2
    print(f"prediction: model of {settings.storage_uri} is loaded; serving on port {settings.port}")
    # Listens only now: before, the health check finds no server, as it should.
    uvicorn.run(application(model, settings), host="0.0.0.0", port=settings.port, log_level="warning", access_log=False)  # noqa: S104
    return 0


def application(model: Model, settings: Settings) -> Starlette:
    """Vertex's two routes, and ours for the parts of batch jobs."""
    return Starlette(
        routes=[
            Route(settings.health_route, _health, methods=["GET"]),
            Route(settings.predict_route, _predict_with(model), methods=["POST"]),
            Route(contract.PATH_PARTS, parts.route(model), methods=["POST"]),
        ]
    )


async def _health(_: Request) -> Response:
    return _json(200, {})


def _predict_with(model: Model) -> Handler:
    async def predict(request: Request) -> Response:
        try:
            wish = instances.parse(_load_json(await request.body()))
            return _json(200, {"predictions": await run_in_threadpool(model.predict, wish)})
        except BadRequest as error:
            return _json(400, {"error": {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}})

    return predict


def _load_json(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _json(status: int, content: Any) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status, media_type="application/json")
