"""Revocation: what the stack's config says about people holds for the tokens that they have."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from google.cloud import aiplatform

from tests.conformance.doors import Client, unharmed
from tests.support.pulumi_cli import pulumi
from tests.support.stack import Stack
from workloads import contract

# From the end of `up`: services look with each request and the gateway every second; a kubelet takes a minute or two.
WITHIN_S: Final = {"docker": 5.0, "kubernetes": 180.0}
SERVICES: Final = (
    contract.API_HOST,
    contract.GATEWAY_HOST,
    contract.TRACKING_HOST,
    contract.OBJECT_STORE_HOST,
    contract.CONTROLLERS_HOST,
    contract.DATABASE_HOST,
)


def starts(stack: Stack) -> dict[str, str]:
    """When each service's process began: another container of it, or a restart, would be told by that."""
    stats = {each: stack.site.execute(stack.name, each, "cat", "/proc/1/stat") for each in SERVICES}
    return {name: text.rpartition(")")[2].split()[19] for name, text in stats.items()}


def declared(stack: Stack, folder: Path, people: Mapping[str, Any]) -> dict[str, str]:
    """Everybody's tokens once `up` has these people beside the stack's own."""
    changes = stack.changes("up", config=stack.config_with(folder, principals=dict(people)))
    assert not changes.keys() & {"create", "delete", "replace"}, changes
    outputs = pulumi(stack.environment, "stack", "output", "--json", "--show-secrets", "--stack", stack.name)
    return dict(json.loads(outputs)["tokens"])


def exchanged(stack: Stack, token: str) -> int:
    """The status of what Google's clients do first."""
    return httpx.post(f"{stack.api_endpoint}/cairn/v1/token", data={"subject_token": token}, timeout=30).status_code


def bearer(token: str) -> dict[str, str]:
    """The token's header."""
    return {"Authorization": f"Bearer {token}"}


def until(stack: Stack, token: str, endpoint: str, wanted: Mapping[str, int]) -> float:
    """The seconds until the token was answered like this at every door."""
    begin, doors = time.monotonic(), Client(stack, token).doors(endpoint)
    while (found := {name: door() for name, door in doors.items()}) != wanted:
        assert time.monotonic() - begin < WITHIN_S[stack.site.name], found
        time.sleep(0.2)
    return time.monotonic() - begin


def answered(status: int, doors: Mapping[str, object], predictions: int | None = None) -> dict[str, int]:
    """This status at each door, another one for predictions."""
    return {**dict.fromkeys(doors, status), "predictions": predictions or status}


def test_what_up_says_about_people_holds_at_every_door(
    stack: Stack, endpoint: aiplatform.Endpoint, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Made a viewer, given another generation, taken out: the token before is a 401 at every door, the new one works.

    Others' requests never fail meanwhile, no container is made anew or restarted, and the audit log tells each change
    as what its author was then.
    """
    name = endpoint.resource_name
    others = {
        f"{who}, {door}": ask
        for who in ("dana", "vic")
        for door, ask in Client(stack, stack.outputs["tokens"][who]).doors(name).items()
        if who == "dana" or door != "predictions"
    }
    doors = Client(stack, stack.token).doors(name)
    developer = answered(httpx.codes.OK, doors)
    viewer = answered(httpx.codes.OK, doors, httpx.codes.FORBIDDEN)
    void = answered(httpx.codes.UNAUTHORIZED, doors)
    steps: list[tuple[Any, dict[str, int]]] = [
        ("developer", developer),
        ("viewer", viewer),
        ({"role": "developer", "generation": 2}, developer),
        (None, void),
    ]
    begun = starts(stack)
    old: list[str] = []
    seen: list[list[float]] = []

    def work() -> None:
        for person, wanted in steps:
            given = declared(stack, tmp_path, {"nina": person} if person else {}).get("nina")
            took = [until(stack, each, name, void) for each in old]
            assert [exchanged(stack, each) for each in old] == [httpx.codes.BAD_REQUEST] * len(old)
            if given:
                took.append(until(stack, given, name, wanted))
                assert exchanged(stack, given) == httpx.codes.OK
                change = httpx.post(f"{stack.vertex_url}/customJobs/1:cancel", headers=bearer(given), timeout=30)
                assert change.status_code == (httpx.codes.FORBIDDEN if wanted is viewer else httpx.codes.NOT_FOUND)
                old.append(given)
            seen.append([round(each, 1) for each in took])

    try:
        _, asked = unharmed(others, work)
    finally:
        stack.changes("up")
    record_property("people", f"seconds {seen}, answers {asked}")
    assert starts(stack) == begun
    entries = stack.get("audit?principal=nina")["entries"]
    roles = [each["role"] for each in reversed(entries) if each["method"] == "JobService.CancelCustomJob"]
    assert roles == ["developer", "viewer", "developer"]
