"""Serves the model over HTTP: Vertex's health and predict routes. Called as the image's command."""

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
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
from workloads.prediction.optimised.session import Session
from workloads.prediction.optimised.verdict import Attempt, Verdict
from workloads.prediction.settings import Settings

QUICK: Final = 8  # instances that ONNX predicts sooner than another thread could begin
Handler = Callable[[Request], Awaitable[Response]]


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Load the model, then serve until SIGTERM; 2 when there is nothing that could ever be served."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # while loading; uvicorn then sets its own
    try:
        settings = Settings.from_environment(environ)
        folder = artifacts.fetch(settings.storage_uri, artifacts.local_folder())
        model, verdict = ready(artifacts.find_model(folder), settings)
    except (ValueError, BadModel, artifacts.NoModel) as error:
        print(f"prediction: {error}", file=sys.stderr)
        return 2
    print(f"prediction: model of {settings.storage_uri} is loaded; serving on port {settings.port}")
    print(f"{contract.LOG_RUNTIME}{verdict}", flush=True)
    # Listens only now: before, the health check finds no server, as it should.
    app = application(model, settings, verdict)
    uvicorn.run(app, host="0.0.0.0", port=settings.port, log_level="warning", access_log=False)  # noqa: S104
    return 0


def ready(path: Path, settings: Settings) -> tuple[Model, Verdict]:
    """The loaded model, with its faster self if there is one.

    Raises:
        BadModel: the file can't be loaded.
    """
    if not settings.may_convert:
        return Model.load(path), Verdict(False, "CAIRN_RUNTIME says so")
    with Attempt(path) as attempt:
        model = Model.load(path)
        verdict = attempt.finish()
        if verdict.is_onnx:
            try:
                model.fast = Session.load(attempt.folder)
            except Exception as error:  # ONNX Runtime's own, and MemoryError  # noqa: BLE001
                verdict = Verdict(False, f"ONNX Runtime does not take the converted model here: {error}"[:300])
    return model, verdict


def application(model: Model, settings: Settings, verdict: Verdict) -> Starlette:
    """Vertex's two routes, and ours for the parts of batch jobs."""
    return Starlette(
        routes=[
            Route(settings.health_route, _health_with(verdict), methods=["GET"]),
            Route(settings.predict_route, _predict_with(model), methods=["POST"]),
            Route(contract.PATH_PARTS, parts.route(model), methods=["POST"]),
        ]
    )


def _health_with(verdict: Verdict) -> Handler:
    answer = _json(200, {"runtime": "onnx" if verdict.is_onnx else "plain", "reason": verdict.why})

    async def health(_: Request) -> Response:
        return answer

    return health


def _predict_with(model: Model) -> Handler:
    async def predict(request: Request) -> Response:
        try:
            wish = instances.parse(_load_json(await request.body()))
            is_quick = model.fast is not None and len(wish.instances) <= QUICK
            predictions = model.predict(wish) if is_quick else await run_in_threadpool(model.predict, wish)
            return _json(200, {"predictions": predictions}, request.headers.get(contract.HEADER_ANSWER, ""))
        except BadRequest as error:
            return _json(400, {"error": {"code": 400, "message": str(error), "status": "INVALID_ARGUMENT"}})

    return predict


def _load_json(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except ValueError:
        pass  # of what it alone refuses: NaN, Infinity
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from error


def _json(status: int, content: Any, members: str = "") -> Response:
    """The JSON object, with members, which end with a comma, before its own."""
    body = orjson.dumps(content)
    if members:
        body = b"{" + members.encode() + body[1:]
    return Response(body, status, media_type="application/json")
