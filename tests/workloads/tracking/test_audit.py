"""What of MLflow's requests is in the audit log, and that nothing is acknowledged which is not."""

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.workloads.tracking.test_guard import KEY, STACK, Client, bearer, token
from workloads import tokens
from workloads.tracking import audit
from workloads.tracking.audit import AuditLog, Deed, Unwritten

API = "/api/2.0/mlflow"
DEVELOPER = tokens.Principal("dana", tokens.ROLE_DEVELOPER)


class Kept:
    """An audit log in memory.

    Attributes:
        away: as if it could not be written.
    """

    def __init__(self) -> None:
        self.entries: list[Deed] = []
        self.away = False

    def __call__(self, entry: Deed) -> None:
        """One more."""
        if self.away:
            raise Unwritten("away")
        self.entries.append(entry)


@pytest.fixture
def log() -> Kept:
    """An empty one."""
    return Kept()


@pytest.mark.parametrize(
    ("verb", "path", "logged"),
    [
        ("POST", f"{API}/registered-models/create", True),
        ("PATCH", f"{API}/model-versions/update", True),
        ("DELETE", f"{API}/registered-models/alias", True),
        ("POST", f"{API}/experiments/delete", True),
        ("POST", f"{API}/runs/delete", True),
        ("POST", "/api/3.0/mlflow/traces/delete-traces", True),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/x", True),
        ("POST", "/api/2.0/mlflow/what-is-to-come/do", True),
        ("GET", f"{API}/registered-models/get", False),
        ("POST", f"{API}/runs/search", False),
        ("POST", f"{API}/registered-models/search", False),
        ("POST", f"{API}/runs/create", False),
        ("POST", f"{API}/runs/log-batch", False),
        ("POST", "/ajax-api/2.0/mlflow/runs/set-tag", False),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x", False),
        ("POST", "/v1/traces", False),
        ("POST", "/graphql", False),
    ],
)
def test_what_is_logged(verb: str, path: str, logged: bool) -> None:
    """Whatever changes models, experiments or takes anything away; not reads, nor what runs note of themselves."""
    assert audit.is_change(DEVELOPER, verb, path) is logged
    assert not audit.is_change(tokens.Principal("platform", tokens.ROLE_ADMIN), verb, path), "the API has logged it"


def test_an_entry_says_who_did_what_to_what(log: Kept) -> None:
    """A job's and a refused change too; of a body, the names of what it is about and nothing else."""
    client = Client(log=log)
    body = {"name": "flights", "version": "3", "key": "note", "value": "secret"}
    client.request("POST", f"{API}/model-versions/set-tag", json=body, headers=bearer(token(tokens.ROLE_WORKLOAD)))
    client.request("POST", f"{API}/runs/delete", json={"run_id": "7"}, headers=bearer(token(tokens.ROLE_VIEWER)))
    client.request("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/x", headers=bearer(token()))
    client.request("POST", f"{API}/experiments/create", content=b"[", headers=bearer(token()))
    client.request("POST", f"{API}/experiments/create", json={"name": "x"}, headers=bearer("x"))
    assert [(each["role"], each["method"], each["resource"], each["status"]) for each in log.entries] == [
        ("workload", "POST model-versions/set-tag", "model-versions/flights/3/note", 200),
        ("viewer", "POST runs/delete", "runs/7", 403),
        ("admin", "DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/x", 200),
        ("admin", "POST experiments/create", "experiments", 200),
    ]
    assert all(each["principal"] == "projects/p/locations/l/customJobs/1" and each["source"] for each in log.entries)


def test_what_is_asked_reaches_mlflow_whole(log: Kept) -> None:
    """The body that was looked at is passed on as it came; one of more than a MiB is refused before it is."""
    client, path = Client(log=log), f"{API}/registered-models/create"
    answer = client.request("POST", path, json={"name": "x"}, headers=bearer(token()))
    assert answer.text == 'POST {"name":"x"}'
    assert client.request("POST", path, content=b"x" * (1 << 21), headers=bearer(token())).status_code == 413


def test_what_can_not_be_logged_is_not_acknowledged(log: Kept) -> None:
    """While no entry can be written a change is answered 503, which MLflow's client tries again; reads go on."""
    client, log.away = Client(log=log), True
    answer = client.request("POST", f"{API}/experiments/create", json={"name": "x"}, headers=bearer(token()))
    assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
    assert client.request("GET", f"{API}/experiments/get", headers=bearer(token())).status_code == 200


class Api(http.server.BaseHTTPRequestHandler):
    """Takes entries; refuses as many as `refuses` first."""

    refuses = 0
    got: list[tuple[tokens.Principal, Any]]

    def do_POST(self) -> None:
        """One entry."""
        entry = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = type(self)
        kind.refuses -= 1
        if kind.refuses < 0:
            sender = tokens.verify(self.headers["Authorization"].removeprefix("Bearer "), STACK, KEY)
            kind.got.append((sender, entry))
        self.send_response(503 if kind.refuses >= 0 else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[str]:
    """Its URL."""
    Api.refuses, Api.got = 0, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/cairn/v1/audit"
        server.shutdown()


def test_an_entry_waits_for_the_api(api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An API that refuses is asked again, as tracking's own, till it takes the entry; then there is one."""
    monkeypatch.setattr(audit, "RETRY_S", 0.01)
    Api.refuses = 3
    AuditLog(api, STACK, KEY)({"principal": "dana"})
    assert Api.got == [(audit.SENDER, {"principal": "dana"})]


def test_an_api_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says whom it asked, and holds no token."""
    monkeypatch.setattr(audit, "PATIENCE_S", 0.05)
    monkeypatch.setattr(audit, "RETRY_S", 0.01)
    with pytest.raises(Unwritten, match=r"POST http://127\.0\.0\.1:9/audit") as raised:
        AuditLog("http://127.0.0.1:9/audit", STACK, KEY)({})
    assert "ey" not in str(raised.value)
