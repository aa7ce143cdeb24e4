"""Shadows in the gateway's image: what they get, what is measured and logged of them, and that nobody notices them."""

import json
import time
from collections import Counter
from collections.abc import Callable
from statistics import quantiles
from typing import Any

import pytest

from tests.integration.images.test_gateway import (
    ENDPOINT,
    Gateway,
    count_answers,
    in_threads,
    measured,
    model,
    server,
    table,
)
from tests.integration.images.test_request_log import FOLDER, rows
from tests.support.lab import Lab, wait_for
from workloads.gateway.request_log import SEGMENT_S
from workloads.gateway.shadows import AT_ONCE, COPIES, LARGEST

OF_ALL = 100


def shadowed(percent: int, *servers: str, log: float = 0.0) -> dict[str, Any]:
    """A live model on server a, and a shadow of so much; so much is logged."""
    found = table(model("1", 100, "a"), model("2", 0, *servers) | {"shadow": percent})
    if log:
        found["endpoints"][0]["log"] = {"rate": log, "folder": FOLDER}
    return found


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    """A gateway, and the live model's server."""
    made = Gateway(lab)
    server(lab, "a")
    return made


def shadow(gateway: Gateway) -> dict[str, Any]:
    """What is told of the shadow."""
    found: dict[str, Any] = gateway.measures()["2"]["shadow"]
    return found


def ask(gateway: Gateway, clients: int, each: int) -> Counter[str]:
    """So many predictions: who answered."""
    answers: Counter[str] = Counter()
    for thread in in_threads(clients, lambda: count_answers(gateway, each, answers)):
        thread.join()
    return answers


def settled(gateway: Gateway, asked: int) -> dict[str, Any]:
    """The shadow's counts, once so many requests were to be copied and all of the copies are answered."""

    def is_over() -> Any:
        found = shadow(gateway)
        heard = found["copied"] + found["dropped"] + found["tooLarge"]
        return heard >= asked and found["own"]["requests"] + found["dropped"] >= found["copied"] and found

    wait_for("the copies are answered", is_over)
    time.sleep(1)
    return shadow(gateway)


def test_a_shadow_gets_its_share_and_answers_nobody(lab: Lab, gateway: Gateway) -> None:
    """Of 1,000 predictions 30 %, within five standard deviations, none of rawPredict; clients hear the live model only.

    Both sides of the copied requests are measured; the live model's own counts are as they were without a shadow.
    """
    server(lab, "b")
    assert gateway.put(shadowed(30, "b")) == (200, {})
    assert ask(gateway, 4, 250) == {"1": 1000}
    for _ in range(50):
        assert gateway.predict(verb="rawPredict")[0] == 200
    wait_for("all are measured", lambda: measured(gateway)["1"] == 1050)
    found = settled(gateway, 228)
    assert 228 <= found["copied"] <= 372
    assert (found["percent"], found["dropped"], found["tooLarge"]) == (30, 0, 0)
    for side in ("live", "own"):
        assert found[side]["requests"] == sum(found[side]["latency"]) == found["copied"], side
    assert found["live"]["errors"] == found["own"]["errors"] == 0
    assert gateway.put(table(model("1", 100, "a"), model("2", 0, "b"))) == (200, {})
    assert ask(gateway, 1, 50) == {"1": 50}
    assert "shadow" not in gateway.measures()["2"]
    assert gateway.put(shadowed(100, "b")) == (200, {})
    assert ask(gateway, 1, 50) == {"1": 50}
    assert settled(gateway, 50)["own"]["requests"] == 50  # counted from its beginning as a shadow


def test_both_answers_are_logged_under_one_id(lab: Lab, gateway: Gateway) -> None:
    """Where an original is logged, its copy is too, and no other: the same request, another model's answer.

    The shadow's server sees its own route and no credentials.
    """
    server(lab, "b")
    gateway.put(shadowed(OF_ALL, "b", log=0.5))
    for number in range(100):
        body = {"instances": [number], "mode": ""}
        assert gateway.ask("POST", f"/v1/{ENDPOINT}:predict", body)[0] == 200
    time.sleep(SEGMENT_S + 1)
    found: dict[str, dict[str, Any]] = {}
    for row in rows(gateway):
        found.setdefault(row["request_id"], {})[row["deployed_model_id"]] = row
    pairs = [each for each in found.values() if each.keys() == {"1", "2"}]
    assert 20 <= len(found) == len(pairs) <= 80
    for pair in pairs:
        assert pair["1"]["request_payload"] == pair["2"]["request_payload"]
        live, other = (json.loads(*pair[each]["response_payload"]) for each in "12")
        assert (live["predictions"], live["server"]) == (other["predictions"], "a")
        assert (other["server"], other["path"], other["authorization"]) == ("b", "/route/2:predict", None)
    assert settled(gateway, 100)["copied"] == 100


def timed(gateway: Gateway, count: int) -> tuple[Counter[int], float]:
    """Statuses of so many predictions one after the other, and their 90th percentile in seconds."""
    statuses, took = Counter[int](), list[float]()
    for _ in range(count):
        start = time.monotonic()
        statuses[gateway.predict()[0]] += 1
        took.append(time.monotonic() - start)
    return statuses, quantiles(took, n=10)[-1]


def test_a_slow_shadow_holds_up_nobody(lab: Lab, gateway: Gateway) -> None:
    """It takes two seconds an answer: clients are as quick as ever, it is asked AT_ONCE at a time, the rest is dropped.

    The gateway ends at once for all that, with exit code 0.
    """
    server(lab, "b", "slow")
    gateway.put(shadowed(OF_ALL, "b"))
    assert ask(gateway, 8, 100) == {"1": 800}
    statuses, late = timed(gateway, 100)
    assert statuses == {200: 100}
    assert late < 1
    wait_for("it is asked", lambda: gateway.measures()["2"]["inFlight"])
    assert 0 < gateway.measures()["2"]["inFlight"] <= AT_ONCE
    found = shadow(gateway)
    assert (found["copied"] + found["dropped"], found["tooLarge"]) == (900, 0)
    assert COPIES <= found["copied"] < 900
    assert settled(gateway, 900)["own"]["errors"] == 0
    ask(gateway, 1, 50)
    start = time.monotonic()
    gateway.container.stop(timeout=30)
    gateway.container.reload()
    assert gateway.container.attrs["State"]["ExitCode"] == 0
    assert time.monotonic() - start < 5


def failing(lab: Lab) -> tuple[str, ...]:
    """A shadow that answers 500."""
    server(lab, "b", "fail")
    return ("b",)


def dying(lab: Lab) -> tuple[str, ...]:
    """One whose process ends with each request."""
    server(lab, "b", "die")
    return ("b",)


def gone(lab: Lab) -> tuple[str, ...]:
    """One whose server was there."""
    server(lab, "b").kill()
    return ("b",)


def unknown(lab: Lab) -> tuple[str, ...]:
    """One whose server's name nobody knows."""
    return ("nowhere",)


def missing(lab: Lab) -> tuple[str, ...]:
    """One without a server."""
    return ()


@pytest.mark.parametrize("shadow_is", [failing, dying, gone, unknown, missing])
def test_a_broken_shadow_breaks_nothing(
    lab: Lab, gateway: Gateway, shadow_is: Callable[[Lab], tuple[str, ...]]
) -> None:
    """Every client is answered, quickly; its errors are its own, and none of its copies is held for it."""
    assert gateway.put(shadowed(OF_ALL, *shadow_is(lab))) == (200, {})
    statuses, late = timed(gateway, 100)
    assert (statuses, late < 1) == ({200: 100}, True)
    found = settled(gateway, 100)
    assert (found["own"]["errors"], found["live"]["errors"]) == (found["own"]["requests"], 0)
    assert found["copied"] == 100
    _, _, body = gateway.ask("GET", "/wakes?after=5", port=gateway.agent)
    assert json.loads(body) == {"number": 0, "endpoints": []}


def test_large_bodies_are_copied_as_far_as_they_fit(lab: Lab, gateway: Gateway) -> None:
    """What fits goes whole; what is larger goes to the live model only, and is counted."""
    server(lab, "b")
    gateway.put(shadowed(OF_ALL, "b"))
    for size in (LARGEST - 100, LARGEST + 100, 10 * LARGEST):
        body = {"instances": [1], "mode": "", "text": "x" * size}
        assert gateway.ask("POST", f"/v1/{ENDPOINT}:predict", body)[0] == 200
    found = settled(gateway, 3)
    assert (found["copied"], found["tooLarge"], found["own"]["errors"]) == (1, 2, 0)


def test_reloads_with_a_shadow_lose_nothing(lab: Lab, gateway: Gateway) -> None:
    """While 6 clients predict, the shadow comes, changes and goes again and again: every request is answered."""
    server(lab, "b")
    gateway.put(shadowed(OF_ALL, "b"))
    answers: Counter[str] = Counter()
    threads = in_threads(6, lambda: count_answers(gateway, 500, answers))
    turn = 0
    while any(thread.is_alive() for thread in threads):
        plain = table(model("1", 100, "a"), model("2", 0, "b"))
        assert gateway.put(plain if turn % 3 == 2 else shadowed(50 + turn % 3, "b")) == (200, {})
        turn += 1
    assert answers == {"1": 3000}
    assert turn >= 3
