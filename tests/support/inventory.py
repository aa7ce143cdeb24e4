"""Everything of a stack that its users can see, by its public APIs: to compare it with the one restored from it."""

from typing import Any, Final

import httpx

from tests.support.stack import Stack

COLLECTIONS: Final = ("customJobs", "trainingPipelines", "batchPredictionJobs", "endpoints", "models")
Inventory = dict[str, dict[str, Any]]


def inventory(stack: Stack) -> Inventory:
    """From kind to name to what is seen: messages, job logs, secrets, objects with their metadata, MLflow's runs."""
    with httpx.Client(headers=stack.headers, timeout=60, follow_redirects=True) as http:
        found: Inventory = {name: _resources(http, stack, name) for name in COLLECTIONS}
        found["logs"] = {name: stack.logs(name) for name in found["customJobs"]}
        found["secrets"] = _secrets(http, stack)
        found["objects"] = _objects(http, stack)
        found["runs"] = _runs(http, stack)
    return found


def missing(before: Inventory, after: Inventory) -> list[str]:
    """What was there before and is not afterwards, or not the same."""
    return [
        f"{kind} {name}: {wanted} → {after[kind].get(name)}"
        for kind, things in before.items()
        for name, wanted in things.items()
        if after[kind].get(name) != wanted
    ]


def pages(http: httpx.Client, url: str, items: str) -> list[dict[str, Any]]:
    """All items of a listing."""
    found: list[dict[str, Any]] = []
    token = ""
    while True:
        page = http.get(url, params={"pageToken": token} if token else {}).raise_for_status().json()
        found += page.get(items, [])
        token = page.get("nextPageToken", "")
        if not token:
            return found


def _resources(http: httpx.Client, stack: Stack, collection: str) -> dict[str, Any]:
    return {each["name"]: each for each in pages(http, f"{stack.vertex_url}/{collection}", collection)}


def _secrets(http: httpx.Client, stack: Stack) -> dict[str, Any]:
    """Every version, with its value where it is enabled."""
    base = f"{stack.api_endpoint}/v1/"
    found: dict[str, Any] = {}
    for secret in pages(http, f"{base}projects/{stack.project}/secrets", "secrets"):
        for version in pages(http, f"{base}{secret['name']}/versions", "versions"):
            found[version["name"]] = version
            if version["state"] == "ENABLED":
                value = http.get(f"{base}{version['name']}:access").raise_for_status().json()
                found[version["name"]] = {**version, "value": value["payload"]["data"]}
    return found


def _objects(http: httpx.Client, stack: Stack) -> dict[str, Any]:
    """With checksum, size, type, metadata and times; not the addresses, which are the stack's own."""
    base = f"{stack.api_endpoint}/storage/v1/b"
    buckets = [each["name"] for each in pages(http, f"{base}?project={stack.project}", "items")]
    kept = ("size", "crc32c", "md5Hash", "contentType", "metadata", "timeCreated", "generation")
    return {
        f"{bucket}/{each['name']}": {key: each.get(key) for key in kept}
        for bucket in buckets
        for each in pages(http, f"{base}/{bucket}/o", "items")
    }


def _runs(http: httpx.Client, stack: Stack) -> dict[str, Any]:
    api = f"{stack.tracking_uri}/api/2.0/mlflow"
    experiments = http.post(f"{api}/experiments/search", json={"max_results": 1000}).raise_for_status().json()
    ids = [each["experiment_id"] for each in experiments.get("experiments", [])]
    asked = {"experiment_ids": ids, "max_results": 1000}
    found = http.post(f"{api}/runs/search", json=asked).raise_for_status().json().get("runs", [])
    return {each["info"]["run_id"]: each for each in found}
