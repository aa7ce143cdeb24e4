"""How shadows do beside the live models, as the gateway has measured both on the same requests; for the status."""

from collections.abc import Sequence
from typing import Any, Final

import httpx

from workloads import contract, tokens
from workloads.api.handlers import Context, Json
from workloads.api.services import client
from workloads.plans import shadows
from workloads.plans.measures import Measured
from workloads.store import Resource

TOKEN_S: Final = 60


async def shown(context: Context, keys: tokens.Keys, endpoints: Sequence[Resource]) -> list[Json]:
    """Every shadow of these endpoints; none while the gateway does not answer, which the status tells by itself."""
    if not any(shadows.shares(row.message) for row in endpoints):
        return []
    token = tokens.sign(tokens.Principal(contract.API_HOST, tokens.ROLE_ADMIN), context.config.stack, keys, TOKEN_S)
    try:
        async with client() as http:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.get(f"{context.config.gateway_agent_url}/measures", headers=headers)
            report: Json = answer.raise_for_status().json()
    except httpx.HTTPError:
        return []
    return [_shadow(each, report["boundsMs"]) for each in report["models"] if "shadow" in each]


def _shadow(model: Json, bounds: list[float]) -> Json:
    """One of them, as `GET /measures` of the gateway's agent tells of it."""
    told = model["shadow"]
    return {
        "endpoint": model["endpoint"],
        "deployed_model": model["id"],
        "percent": told["percent"],
        "copied": told["copied"],
        "dropped": told["dropped"],
        "too_large": told["tooLarge"],
        "shadow": _side(told["own"], bounds),
        "live": _side(told["live"], bounds),
    }


def _side(told: Json, bounds: list[float]) -> dict[str, Any]:
    """What was answered; latencies are the upper bounds of the histogram's parts that they lie in."""
    measured = Measured(told["requests"], told["errors"], told["latency"], bounds)
    latencies = {f"p{percent}_ms": min(measured.latency_ms(percent / 100), bounds[-1]) for percent in (50, 95)}
    return {"requests": measured.requests, "errors": measured.errors, **latencies}
