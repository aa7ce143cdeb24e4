"""A deployed model that gets a copy of its endpoint's predictions, and whose answers no client gets."""

import json
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform

from tests.conformance.jobs import eventually
from tests.conformance.serving import Versions, answers, deploy, ids
from tests.conformance.test_request_logs import create, logged
from tests.conformance.traffic import Traffic
from tests.support.stack import Stack

REQUESTS = 50
FEW = 3  # that the gateway may not have counted: its lines collide


def shadow(stack: Stack, endpoint: aiplatform.Endpoint) -> Any:
    """What the status tells of the endpoint's shadow; None without one."""
    found = stack.get("status")["shadows"]
    return next((each for each in found if each["endpoint"] == endpoint.resource_name), None)


def seen(stack: Stack, endpoint: aiplatform.Endpoint) -> int:
    """How many requests the shadow has answered, as the status tells; 0 until it tells of the shadow."""
    found = shadow(stack, endpoint)
    return int(found["shadow"]["requests"]) if found else 0


def pairs(stack: Stack, endpoint: aiplatform.Endpoint) -> list[dict[str, float]]:
    """Of each logged request that both have answered: by deployed model's id, what it predicted."""
    found: dict[str, dict[str, float]] = {}
    for row in logged(stack, endpoint.name):
        if row["response_payload"]:
            answer = json.loads(*row["response_payload"])["predictions"][0]
            found.setdefault(row["request_id"], {})[row["deployed_model_id"]] = answer
    return [each for each in found.values() if len(each) > 1]


def test_a_shadow_answers_nobody_and_hurts_nothing(stack: Stack, versions: Versions) -> None:
    """A label makes the second version one: clients hear the first, and both answers to a request are in the log.

    While the shadow's server is killed under load, none of 500 requests fails. It goes as it came.
    """
    endpoint = create()
    try:
        deploy(endpoint, versions[0], "one", 100)
        deploy(endpoint, versions[1], "two", 0)
        one, two = ids(endpoint)["one"], ids(endpoint)["two"]
        endpoint.update(labels={f"cairn-shadow-{two}": "100"})
        with pytest.raises(exceptions.BadRequest, match="can't be a shadow too"):
            endpoint.update(traffic_split={one: 50, two: 50})
        assert eventually(lambda: answers(stack, endpoint, 1) == {"1": 1} and seen(stack, endpoint), 30)
        assert answers(stack, endpoint, REQUESTS) == {"1": REQUESTS}
        assert eventually(lambda: seen(stack, endpoint) >= REQUESTS - FEW, 30)
        found = shadow(stack, endpoint)
        assert (found["deployed_model"], found["percent"], found["dropped"]) == (two, 100, 0)
        assert (found["shadow"]["errors"], found["live"]["errors"]) == (0, 0)
        assert eventually(lambda: len(pairs(stack, endpoint)) >= REQUESTS - FEW, 60)
        assert all(each == {one: 1.0, two: 2.0} for each in pairs(stack, endpoint))
        with Traffic(stack, endpoint) as traffic:
            traffic.more(100)
            (server,) = (each for each in stack.site.containers(stack.name, endpoint.resource_name) if two in each)
            stack.site.kill_container(stack.name, server)
            assert traffic.more(400).keys() == {"1"}
        assert traffic.failed == []
        assert shadow(stack, endpoint)["live"]["errors"] == 0
        endpoint.update(labels={f"cairn-shadow-{two}": "0"})  # the SDK sends no empty labels
        assert eventually(lambda: shadow(stack, endpoint) is None, 30)
    finally:
        endpoint.delete(force=True)
