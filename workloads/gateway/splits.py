"""Which deployed model answers which request: an exact traffic split without chance. Pure.

HAProxy counts an endpoint's requests and looks the count modulo 100 up in a map of a hundred slots. So of any hundred
requests in a row exactly `weight` go to each model, whatever number of replicas or threads there is.
"""

from collections.abc import Iterator

from workloads.gateway.routes import DeployedModel, Endpoint, Table

SLOTS = 100
PREFIX = "model."  # of deployed models' backends, and of no other


def slots(models: tuple[DeployedModel, ...]) -> list[str]:
    """A hundred model ids, each as often as its weight, as evenly spread as can be (smooth weighted round robin).

    `models` must have weights that sum up to 100.
    """
    credit = {model.id: 0 for model in models}
    order: list[str] = []
    for _ in range(SLOTS):
        for model in models:
            credit[model.id] += model.weight
        chosen = max(credit, key=lambda model_id: credit[model_id])
        credit[chosen] -= SLOTS
        order.append(chosen)
    return order


def backend(endpoint: Endpoint, model_id: str) -> str:
    """The name of a deployed model's backend in HAProxy; stable, since server states are kept under it."""
    return f"{PREFIX}{endpoint.id}.{model_id}"


def splits_map(table: Table) -> str:
    """HAProxy's map from "<endpoint id>.<slot>" to the backend."""
    lines = [
        f"{endpoint.id}.{slot} {backend(endpoint, model_id)}"
        for endpoint in _with_traffic(table)
        for slot, model_id in enumerate(slots(endpoint.deployed_models))
    ]
    return "".join(line + "\n" for line in lines)


def endpoints_map(table: Table) -> str:
    """HAProxy's map from an endpoint's path in each API version to its id. Without traffic it is left to the API."""
    lines = [
        f"/{version}/{endpoint.name} {endpoint.id}"
        for endpoint in _with_traffic(table)
        for version in ("v1", "v1beta1", "ui")
    ]
    return "".join(line + "\n" for line in lines)


def _with_traffic(table: Table) -> Iterator[Endpoint]:
    return (endpoint for endpoint in table.endpoints if endpoint.has_traffic)
