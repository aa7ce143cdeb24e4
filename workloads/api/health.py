"""Whether the platform's services answer, for GET /cairn/v1/status."""

import asyncio
from urllib.parse import urlsplit

import httpx
from starlette.concurrency import run_in_threadpool

from workloads import contract
from workloads.api.handlers import Context, Json
from workloads.api.services import client
from workloads.store import StoreError


async def services(context: Context) -> list[Json]:
    """Every service with whether it answers, asked at the same time."""
    config = context.config
    controllers = f"http://{contract.CONTROLLERS_HOST}:{contract.CONTROLLERS_PORT}{contract.PATH_HEALTH}"
    checks = [
        _database(context),
        _http(contract.OBJECT_STORE_HOST, config.object_store_url),
        _http(contract.TRACKING_HOST, f"{config.tracking_url}/health"),
        _http(contract.GATEWAY_HOST, config.gateway_agent_url),
        _http(contract.CONTROLLERS_HOST, controllers),
    ]
    api = {"name": contract.API_HOST, "healthy": True, "detail": ""}
    return [api, *await asyncio.gather(*checks)]


async def _database(context: Context) -> Json:
    try:
        await run_in_threadpool(context.store.ping)
    except StoreError as error:
        return {"name": contract.DATABASE_HOST, "healthy": False, "detail": str(error)}
    return {"name": contract.DATABASE_HOST, "healthy": True, "detail": ""}


async def _http(name: str, url: str) -> Json:
    """Healthy is any answer that is not the server's own failure: without credentials 401 and 403 are right."""
    host = urlsplit(url).netloc
    try:
        async with client() as http:
            status = (await http.get(url)).status_code
    except httpx.TransportError as error:
        return {
            "name": name,
            "healthy": False,
            "detail": f"{host} does not answer: {str(error) or type(error).__name__}",
        }
    failed = status >= httpx.codes.INTERNAL_SERVER_ERROR
    return {"name": name, "healthy": not failed, "detail": f"{host} answers {status}" if failed else ""}
