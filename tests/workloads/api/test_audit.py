"""The audit log: every change of a known principal is in it before it is acknowledged, and nothing else."""

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from tests.workloads.api.conftest import PARENT, job, token
from workloads.api import audit
from workloads.api.handlers import Context
from workloads.store import Deed, Unavailable

JOBS = f"/v1/{PARENT}/customJobs"
AUDIT = "/cairn/v1/audit"


@pytest.fixture(autouse=True)
def empty(context: Context) -> None:
    """A log without entries."""
    with context.store._database.transaction() as connection:
        connection.execute("DELETE FROM audit")


def entries(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """What the log says, newest first."""
    found: list[dict[str, Any]] = client.get(AUDIT, params=query).raise_for_status().json()["entries"]
    return found


def shown(client: httpx.Client, **query: Any) -> list[tuple[str, str, int]]:
    """The same, in short: who, what, with which result."""
    return [(each["principal"], each["method"], each["status"]) for each in entries(client, **query)]


def test_changes_and_refusals_are_logged(client: httpx.Client) -> None:
    """What was made is named; a refusal for want of a right and a bad message are there too, reads are not."""
    viewer = {"Authorization": f"Bearer {token('viewer', 'vic')}", "X-Forwarded-For": "10.1.2.3"}
    made = client.post(JOBS, json=job()).json()["name"]
    client.get(JOBS)
    client.post(JOBS, json={})
    client.post(f"/v1/{made}:cancel", json={}, headers=viewer)
    client.post(f"/v1/{made}:cancel", json={})
    client.delete(f"/v1/{PARENT}/nothing/1")
    client.post(f"/v1/{PARENT}/endpoints/1:predict", json={"instances": [1]})
    client.post(JOBS, json=job(), headers={"Authorization": "Bearer x"})
    assert shown(client) == [
        ("admin", "DELETE", 404),
        ("admin", "JobService.CancelCustomJob", 200),
        ("vic", "JobService.CancelCustomJob", 403),
        ("admin", "JobService.CreateCustomJob", 400),
        ("admin", "JobService.CreateCustomJob", 200),
    ]
    created = entries(client)[-1]
    assert (created["resource"], created["role"]) == (made, "admin")
    assert entries(client, principal="vic")[0]["source"] == "10.1.2.3"


def test_long_running_creates_name_what_they_made(client: httpx.Client) -> None:
    """An endpoint's create answers with an operation; the log has the endpoint."""
    operation = client.post(f"/v1/{PARENT}/endpoints", json={"displayName": "e"}).json()
    assert entries(client)[0]["resource"] == operation["response"]["name"]


def test_the_log_is_read_by_parts_and_pages(client: httpx.Client) -> None:
    """Filters by principal, method, resource and time; pages go on where the last one ended."""
    for number in range(5):
        client.post(f"/v1/{PARENT}/customJobs/{number}:cancel", json={})
    assert len(entries(client, method="JobService.CancelCustomJob")) == 5
    assert [each["resource"][-1] for each in entries(client, resource=f"{PARENT}/customJobs/3")] == ["3"]
    assert entries(client, since="2999-01-01T00:00:00Z") == []
    assert entries(client, principal="dana") == []
    seen, mark = [], ""
    while True:
        page = client.get(AUDIT, params={"pageSize": 2, "pageToken": mark}).json()
        seen += [each["resource"][-1] for each in page["entries"]]
        if not (mark := page.get("nextPageToken", "")):
            break
    assert seen == list("43210")
    for wrong in ({"since": "soon"}, {"pageSize": "x"}, {"who": "x"}):
        assert client.get(AUDIT, params=wrong).status_code == 400


@pytest.mark.parametrize("role", ["developer", "viewer", "workload"])
def test_only_the_admin_reads_it(client: httpx.Client, role: str) -> None:
    """It tells who works on what."""
    assert client.get(AUDIT, headers={"Authorization": f"Bearer {token(role, role)}"}).status_code == 403


def test_what_can_not_be_logged_is_not_acknowledged(
    client: httpx.Client, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no entry can be written, a change is answered UNAVAILABLE, and reads go on."""

    def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr("workloads.store.audit.Database.connection", away)
    answer = client.post(JOBS, json=job())
    assert (answer.status_code, answer.json()["error"]["status"]) == (503, "UNAVAILABLE")
    monkeypatch.undo()
    assert client.get(JOBS).status_code == 200


def test_entries_are_never_changed_and_go_by_age(context: Context) -> None:
    """The database itself refuses to change an entry or to empty the log; only age takes entries away."""
    log = context.store.audit
    log.add(Deed("p", "admin", "m", "r", 200, ""))
    for statement in ("UPDATE audit SET principal = 'x'", "TRUNCATE audit"):
        refused = pytest.raises(psycopg.errors.RaiseException, match="never changed")
        with refused, context.store._database.transaction() as connection:
            connection.execute(statement.encode())
    assert log.prune(timedelta(days=1)) == 0
    assert log.prune(timedelta(seconds=-60)) == 1
    assert log.read({}, 10) == []


@pytest.mark.parametrize(
    ("verb", "path", "changes"),
    [
        ("GET", "/v1/x", False),
        ("POST", "/v1/x", True),
        ("POST", "/v1/x:predict", False),
        ("POST", "/v1/operations/1:wait", False),
        ("POST", "/v1/x:cancel", True),
        ("DELETE", "/storage/v1/b/x", True),
        ("POST", "/cairn/v1/token", False),
    ],
)
def test_what_counts_as_a_change(verb: str, path: str, changes: bool) -> None:
    """Reads that are POSTs, and the exchange of a token for itself, don't."""
    assert audit.is_change(verb, path) is changes


def told(**changes: Any) -> dict[str, Any]:
    """What tracking tells of a change that it has answered."""
    entry = {
        "principal": "dana",
        "role": "developer",
        "method": "DELETE registered-models/delete",
        "resource": "registered-models/flights",
        "status": 200,
        "source": "10.1.2.3",
    }
    return entry | changes


def tracking() -> dict[str, str]:
    """The headers of tracking's own requests."""
    return {"Authorization": f"Bearer {token('admin', 'tracking')}"}


def test_tracking_tells_of_its_own_changes(client: httpx.Client) -> None:
    """An entry from tracking is in the log as the deed of whom it names, once, and found by it."""
    assert client.post(AUDIT, json=told(), headers=tracking()).status_code == 200
    assert shown(client) == [("dana", "DELETE registered-models/delete", 200)]
    assert entries(client, principal="dana", resource="registered-models/")[0]["source"] == "10.1.2.3"


@pytest.mark.parametrize(
    "entry", [[], {}, told(status="200"), told(who="x"), {**told(), "source": None}, told(status=True)]
)
def test_what_is_no_entry_is_refused(client: httpx.Client, entry: object) -> None:
    """It must be whole and of the right types; what is refused is no deed of anybody's but the sender's."""
    answer = client.post(AUDIT, json=entry, headers=tracking())
    assert (answer.status_code, "principal, role" in answer.text) == (400, True)
    assert shown(client) == [("tracking", "POST", 400)]


@pytest.mark.parametrize(
    ("role", "subject"), [("admin", "admin"), ("developer", "dana"), ("viewer", "vic"), ("workload", "tracking")]
)
def test_nobody_else_adds_entries(client: httpx.Client, role: str, subject: str) -> None:
    """Not even the admin writes deeds of others into the log."""
    answer = client.post(AUDIT, json=told(), headers={"Authorization": f"Bearer {token(role, subject)}"})
    assert answer.status_code == 403
    assert shown(client) == [(subject, "POST", 403)]


def test_an_entry_that_can_not_be_written_is_not_acknowledged(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracking hears of it, so that it acknowledges nothing either."""

    def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr("workloads.store.audit.Database.connection", away)
    assert client.post(AUDIT, json=told(), headers=tracking()).status_code == 503
