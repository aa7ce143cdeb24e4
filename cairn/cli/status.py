"""`cairn status`: the stack at one glance."""

from typing import Any

from cairn.cli.tables import console, short_id, table
from cairn.client import Client
from cairn.stack import find


def show_status(name: str | None) -> None:
    """Services, capacity, queue, endpoints and addresses."""
    stack = find(name)
    client = Client(stack)
    status = client.status()
    _show_services(status["services"])
    _show_capacity(status["capacity"])
    _show_queue(status["queue"])
    _show_endpoints(client.resources("endpoints"))
    _show_rollouts(status["rollouts"])
    show_shadows(status["shadows"])
    console.print(f"API {stack.api_endpoint}  project {stack.project}  location {stack.location}", highlight=False)
    console.print(f"MLflow {stack.tracking_uri or '-'}  S3 {stack.object_store_endpoint or '-'}", highlight=False)


def _show_services(services: list[dict[str, Any]]) -> None:
    result = table("Services", "NAME", "STATE", "DETAIL")
    for service in services:
        color = "green" if service["healthy"] else "red"
        state = "healthy" if service["healthy"] else "not healthy"
        result.add_row(service["name"], f"[{color}]{state}[/{color}]", service.get("detail", ""))
    console.print(result)


def _show_capacity(capacity: dict[str, Any]) -> None:
    result = table("Capacity", "RESOURCE", ">IN USE", ">TOTAL")
    for resource, amount in capacity.items():
        result.add_row(resource, f"{amount['used']:g}", f"{amount['total']:g}")
    console.print(result)


def _show_queue(queue: list[dict[str, Any]]) -> None:
    if not queue:
        console.print("Queue: empty")
        return
    result = table("Queue", ">POSITION", "ID", "NAME", "REASON")
    for entry in queue:
        result.add_row(str(entry["position"]), short_id(entry["name"]), entry.get("display_name", ""), entry["reason"])
    console.print(result)


def _show_endpoints(endpoints: list[dict[str, Any]]) -> None:
    if not endpoints:
        console.print("Endpoints: none")
        return
    result = table("Endpoints", "ID", "NAME", "MODELS (traffic)")
    for endpoint in endpoints:
        split = endpoint.get("trafficSplit", {})
        models = [
            f"{short_id(model['model'])}@{model.get('modelVersionId', '')} {split.get(model['id'], 0)}%"
            for model in endpoint.get("deployedModels", [])
        ]
        result.add_row(short_id(endpoint["name"]), endpoint.get("displayName", ""), ", ".join(models) or "none")
    console.print(result)


def _show_rollouts(rollouts: list[dict[str, Any]]) -> None:
    if not rollouts:
        return
    result = table("Rollouts", "ENDPOINT", "DEPLOYED MODEL", "STATE", ">TRAFFIC", "WHY")
    for each in rollouts:
        traffic = f"{each['traffic']}%"
        result.add_row(short_id(each["endpoint"]), each["deployed_model"], each["state"], traffic, each["reason"])
    console.print(result)


def show_shadows(shadows: list[dict[str, Any]]) -> None:
    """Each with what it and the live models have made of the same requests."""
    if not shadows:
        return
    columns = ("ENDPOINT", "DEPLOYED MODEL", ">SHARE", ">COPIED", ">DROPPED", ">ERRORS (live)", ">P50 ms", ">P95 ms")
    result = table("Shadows", *columns)
    for each in shadows:
        own, live = each["shadow"], each["live"]
        dropped = each["dropped"] + each["too_large"]
        sides = [f"{own[key]:g} ({live[key]:g})" for key in ("errors", "p50_ms", "p95_ms")]
        counts = (f"{each['percent']}%", str(each["copied"]), str(dropped))
        result.add_row(short_id(each["endpoint"]), each["deployed_model"], *counts, *sides)
    console.print(result)
