"""Endpoints and their deployed models → the gateway's table; Vertex' traffic rules. For the endpoints' controllers."""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from workloads.config import PlatformConfig
from workloads.plans.errors import InvalidWish
from workloads.plans.serving import DeployedModel, addresses

NEW_MODEL: Final = "0"  # how a deploy request's trafficSplit names the model that is being deployed
ALL: Final = 100  # percent
Split = dict[str, int]


def table(
    endpoints: Iterable[tuple[str, Mapping[str, int], Iterable[DeployedModel]]],
    config: PlatformConfig,
    down: Collection[str] = (),
    holds: Mapping[tuple[str, str], str] = MappingProxyType({}),
    logs: Mapping[str, Any] = MappingProxyType({}),
    shadows: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
) -> Any:
    """What the gateway's agent takes: see ARCHITECTURE.md.

    Args:
        endpoints: (name, traffic split, models that are ready) of each.
        holds: (endpoint, model id) of those whose requests wait while no server is up, and why none may be.
        down: addresses of servers that fail their health checks and get no traffic.
        logs: by endpoint, what is logged of its predictions (request_logs.py).
        shadows: by endpoint and model id, of how many percent of them it gets a copy (shadows.py).
    """
    return {
        "endpoints": [
            {
                "name": name,
                "deployedModels": [
                    _route(model, split.get(model.id, 0), config, down)
                    | _hold(holds.get((name, model.id)), config.autoscaling.hold_s)
                    | _shadow(shadows.get(name, {}).get(model.id, 0))
                    for model in by_id(models)
                ],
                **({"log": logs[name]} if name in logs else {}),
            }
            for name, split, models in sorted(endpoints, key=lambda endpoint: endpoint[0])
        ]
    }


def by_id(models: Iterable[DeployedModel]) -> list[DeployedModel]:
    """In a stable order."""
    return sorted(models, key=lambda model: model.id)


def _route(model: DeployedModel, weight: int, config: PlatformConfig, down: Collection[str]) -> dict[str, Any]:
    return {
        "id": model.id,
        "weight": weight,
        "model": model.model,
        "modelVersionId": model.model_version_id,
        "displayName": model.display_name,
        "predictRoute": model.predict_path,
        **({"completes": True} if model.completes else {}),
        "servers": [address for address in addresses(model, config) if address not in down],
    }


def _hold(reason: str | None, seconds: float) -> dict[str, Any]:
    return {} if reason is None else {"hold": {"seconds": seconds, "reason": reason}}


def _shadow(percent: int) -> dict[str, Any]:
    return {"shadow": percent} if percent else {}


def check_split(split: Mapping[str, int], models: Collection[str]) -> None:
    """Refuse a split that Vertex would refuse.

    Raises:
        InvalidWish: it names a model that is not deployed, has a negative share, or does not sum up to 100.
    """
    for model_id, share in split.items():
        if model_id not in models:
            known = ", ".join(sorted(models)) or "none"
            raise InvalidWish(
                f"trafficSplit names {model_id!r}, which is not deployed on the endpoint; it has: {known}"
            )
        if share < 0:
            raise InvalidWish(f"trafficSplit gives {model_id} {share} percent: shares can't be negative")
    if split and sum(split.values()) != ALL:
        raise InvalidWish(f"trafficSplit sums up to {sum(split.values())}: it must be 100, or be empty")


def split_after_deploy(
    current: Mapping[str, int], requested: Mapping[str, Any], new: str, models: Collection[str]
) -> Split:
    """The endpoint's split once `new` is deployed: the requested one with "0" for the new one, or else unchanged.

    Args:
        models: ids on the endpoint before.

    Raises:
        InvalidWish: see check_split.
    """
    if not requested:
        return dict(current)
    split = {new if model_id == NEW_MODEL else model_id: int(share) for model_id, share in requested.items()}
    check_split(split, {*models, new})
    return split


def split_after_undeploy(
    current: Mapping[str, int], requested: Mapping[str, Any], gone: str, models: Collection[str]
) -> Split:
    """The endpoint's split once `gone` is undeployed.

    Raises:
        InvalidWish: `gone` would still have traffic while other models stay, or see check_split.
    """
    rest = set(models) - {gone}
    if not rest:
        return {}
    split = {k: int(v) for k, v in (requested or current).items()}
    if split.get(gone, 0):
        raise InvalidWish(
            f"deployed model {gone} still gets {split[gone]} percent of the traffic: "
            "give a trafficSplit that moves it to the models that stay"
        )
    split.pop(gone, None)
    check_split(split, rest)
    return split
