"""People who are taken out, get another role or another generation of their token, while the API runs."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest

from tests.workloads.api.conftest import KEY, PARENT, job, served
from workloads import tokens
from workloads.api.handlers import Context

DANA = tokens.Principal("dana", tokens.ROLE_DEVELOPER)
VIC = tokens.Principal("vic", tokens.ROLE_VIEWER)
JOB = f"{PARENT}/customJobs/1"
JOBS = f"/v1/{PARENT}/customJobs"


@pytest.fixture
def people() -> list[tokens.Principal]:
    """Whose tokens are good, which a test changes under the running API."""
    return [DANA, VIC]


@pytest.fixture
def clients(context: Context, people: list[tokens.Principal]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Dana's and Vic's."""
    with served(context, tokens.verifier("test", KEY, lambda: tokens.listed(people))) as url:
        dana, vic = (httpx.Client(base_url=url, headers=headers(each), trust_env=False) for each in (DANA, VIC))
        with dana, vic:
            yield dana, vic


def headers(principal: tokens.Principal) -> dict[str, str]:
    """With the principal's token."""
    return {"Authorization": f"Bearer {tokens.sign(principal, 'test', KEY)}"}


@pytest.mark.parametrize(
    "instead",
    [
        None,
        tokens.Principal("dana", tokens.ROLE_VIEWER),
        tokens.Principal("dana", tokens.ROLE_DEVELOPER, generation=2),
    ],
    ids=["taken out", "another role", "another generation"],
)
def test_the_token_before_is_refused(
    clients: tuple[httpx.Client, httpx.Client],
    people: list[tokens.Principal],
    context: Context,
    instead: tokens.Principal | None,
) -> None:
    """With the next request, exchanges for Google's clients too; the new one works, and nobody else's changes.

    The audit log tells what she did as what she was then, and nothing of what was refused for its token.
    """
    dana, vic = clients
    exchange = {"subject_token": dana.headers["Authorization"].removeprefix("Bearer ")}
    assert dana.post(JOBS, json=job()).status_code == 200
    assert dana.post("/cairn/v1/token", data=exchange).status_code == 200
    people[:] = [VIC, *([instead] if instead else [])]
    refused = dana.post(JOBS, json=job())
    assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert "dana's token (role developer, generation 1) was revoked or replaced" in refused.json()["error"]["message"]
    assert "was revoked or replaced" in dana.post("/cairn/v1/token", data=exchange).json()["error_description"]
    assert vic.get(JOBS).status_code == 200
    wanted = [("developer", 200)]
    if instead:
        status = dana.post(JOBS, json=job(), headers=headers(instead)).status_code
        assert status == (200 if instead.manages else 403)
        wanted.insert(0, (instead.role, status))
    found = context.store.audit.read({"principal": "dana"}, len(wanted))
    assert [(each.deed.role, each.deed.status) for each in found] == wanted


def test_a_followed_log_ends_for_whom_it_is_not_any_more(
    clients: tuple[httpx.Client, httpx.Client], people: list[tokens.Principal], context: Context
) -> None:
    """Who follows a job's log reads nothing more of it once the token was revoked, though the job goes on."""
    context.store.create(JOB, {"state": "JOB_STATE_RUNNING"})
    context.store.append_logs(JOB, "0-0", [(datetime.now(UTC), "before")])
    dana, _ = clients
    with dana.stream("GET", f"/cairn/v1/logs/{JOB}?follow=1") as response:
        lines = response.iter_lines()
        assert next(lines) == "before"
        people[:] = [VIC]
        assert list(lines) == []
