"""The gateway image when people are taken out or get other tokens: predictions and its own service follow at once."""

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.integration.images.test_gateway import KEY, STACK, Gateway, count_answers, model, server, table
from tests.support.lab import Lab
from workloads import tokens
from workloads.tokens import Principal

WITHIN_S = 5.0  # the agent looks every second
DANA = Principal("dana", tokens.ROLE_DEVELOPER)
VIC = Principal("vic", tokens.ROLE_VIEWER)
ADA = Principal("ada", tokens.ROLE_ADMIN)
CONTROLLERS = Principal("controllers", tokens.ROLE_ADMIN)


def predicts(gateway: Gateway, person: Principal) -> tuple[int, str]:
    """The status of a prediction with the person's token, and the error's message."""
    status, _, body = gateway.predict(token=tokens.sign(person, STACK, KEY))
    return status, json.loads(body).get("error", {}).get("message", "")


def name(gateway: Gateway, people: Sequence[Principal]) -> None:
    """Change the file under the running gateway, as the engines do: by another file in its place."""
    folder = gateway.lab.folder / "secrets"
    (folder / "draft").write_text(tokens.listed(people))
    (folder / "draft").replace(folder / tokens.FILE_PEOPLE)


def within(gateway: Gateway, person: Principal, status: int) -> None:
    """The prediction's status, soon."""
    deadline = time.monotonic() + WITHIN_S
    while (found := predicts(gateway, person))[0] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    """A gateway with one model, which knows Dana, Vic and Ada."""
    found = Gateway(lab)
    server(lab, "a")
    assert found.put(table(model("1", 100, "a")))[0] == 200
    name(found, [DANA, VIC, ADA])
    within(found, DANA, 200)
    return found


def test_people_follow_their_file(gateway: Gateway) -> None:
    """Taken out, made a viewer or of another generation: the token before is a 401 that says so, the new one is not.

    Nobody else is asked for another token, HAProxy is not reloaded meanwhile, and no request of others fails.
    """
    workers = processes(gateway)
    answers: Counter[str] = Counter()
    asking = threading.Thread(target=count_answers, args=(gateway, 3000, answers))
    asking.start()
    viewer, again = Principal("dana", tokens.ROLE_VIEWER), Principal("dana", tokens.ROLE_DEVELOPER, generation=2)
    for before, after, status in ((DANA, None, 0), (None, DANA, 200), (DANA, viewer, 403), (viewer, again, 200)):
        name(gateway, [VIC, ADA, *([after] if after else [])])
        if after:
            within(gateway, after, status)
        if before:
            within(gateway, before, 401)
            assert "was revoked or replaced" in predicts(gateway, before)[1]
        assert predicts(gateway, ADA)[0] == 200
        assert predicts(gateway, VIC)[0] == 403
    asking.join()
    assert answers == {"1": 3000}
    assert processes(gateway) == workers


def test_who_is_out_stays_out_over_a_reload_and_a_restart(gateway: Gateway) -> None:
    """New workers of HAProxy, old ones that still have connections, and a new container go by the file of today."""
    name(gateway, [ADA])
    within(gateway, DANA, 401)
    assert gateway.put(table(model("2", 100, "a")))[0] == 200
    assert (predicts(gateway, DANA)[0], predicts(gateway, ADA)[0]) == (401, 200)
    gateway.lab.secrets[tokens.FILE_PEOPLE] = tokens.listed([ADA])
    gateway.start()
    assert (predicts(gateway, DANA)[0], predicts(gateway, ADA)[0]) == (401, 200)


def test_the_agent_takes_no_revoked_admin_s_token(gateway: Gateway) -> None:
    """A person of role admin reads the routes until she is taken out; the controllers, whom no file names, go on."""
    person, own = (tokens.sign(each, STACK, KEY, *ends) for each, ends in ((ADA, ()), (CONTROLLERS, (60,))))
    assert gateway.ask("GET", "/routes", token=person, port=gateway.agent)[0] == 200
    name(gateway, [])
    status, _, body = gateway.ask("GET", "/routes", token=person, port=gateway.agent)
    assert (status, "was revoked or replaced" in json.loads(body)["error"]["message"]) == (401, True)
    assert gateway.ask("GET", "/routes", token=own, port=gateway.agent)[0] == 200


def processes(gateway: Gateway) -> set[str]:
    """HAProxy's, in the container."""
    listed = gateway.container.top()["Processes"]
    return {each[1] for each in listed if "haproxy" in each[-1]}
