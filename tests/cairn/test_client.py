"""The HTTP client of the CLI and of Connection, against a transport of the test's own."""

import json
from collections.abc import Callable

import httpx
import pytest

from cairn.client import Client
from cairn.errors import CairnError
from cairn.stack import Stack

STACK = Stack("local", "p", "us-central1", "http://127.0.0.1:8080", "b", "", "", token="t")
PARENT = "/v1/projects/p/locations/us-central1"


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    """A client whose server is a function."""
    return Client(STACK, httpx.MockTransport(answer))


def test_pages_are_followed() -> None:
    """All pages of a list are read, with the token on each request."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Bearer t"
        if "pageToken" not in request.url.params:
            return httpx.Response(200, json={"customJobs": [{"name": "1"}], "nextPageToken": "next"})
        return httpx.Response(200, json={"customJobs": [{"name": "2"}]})

    assert [job["name"] for job in client(answer).resources("customJobs")] == ["1", "2"]


def jobs_answer(request: httpx.Request) -> httpx.Response:
    """Two custom jobs of one name and nothing else."""
    names = [("1", "2026-01-01T00:00:00Z"), ("2", "2026-01-02T00:00:00Z")]
    jobs = [{"name": f"p/customJobs/{key}", "displayName": "mine", "createTime": time} for key, time in names]
    return httpx.Response(200, json={"customJobs": jobs} if request.url.path.endswith("customJobs") else {})


@pytest.mark.parametrize(("wanted", "found"), [("mine", "2"), ("1", "1"), ("p/customJobs/1", "1")])
def test_find_job(wanted: str, found: str) -> None:
    """A job is found by id, resource name or display name, of which the newest counts."""
    assert client(jobs_answer).find_job(wanted)["name"] == f"p/customJobs/{found}"


def test_find_job_says_what_there_is() -> None:
    """An unknown job is answered with the newest ones."""
    with pytest.raises(CairnError, match=r"no job 'x'; the newest are: mine \(2\), mine \(1\)"):
        client(jobs_answer).find_job("x")


def test_followed_logs_go_on_where_they_broke_off() -> None:
    """A stream that ends before its job is asked for again from the last line seen; no line comes twice."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "/logs/" not in request.url.path:
            state = "JOB_STATE_RUNNING" if len(asked) < 2 else "JOB_STATE_SUCCEEDED"
            return httpx.Response(200, json={"state": state})
        since = int(request.url.params["since"])
        asked.append(request.url.params["since"])
        lines = [{"seq": seq, "replica": "0-0", "text": f"line {seq}"} for seq in range(since + 1, min(since + 3, 5))]
        return httpx.Response(200, text="".join(json.dumps(line) + "\n" for line in lines))

    texts = [line["text"] for line in client(answer).logs("p/customJobs/1", follow=True)]
    assert texts == ["line 1", "line 2", "line 3", "line 4"]
    assert asked[:2] == ["0", "2"]


def test_server_s_own_words() -> None:
    """An error in Google's model is passed on in its words."""
    body = {"error": {"code": 404, "message": "no such job", "status": "NOT_FOUND"}}
    with pytest.raises(CairnError, match="404 no such job"):
        client(lambda _request: httpx.Response(404, json=body)).status()


def test_refused_token_says_what_to_do() -> None:
    """A 401 points to `cairn env`."""
    with pytest.raises(CairnError, match="take a fresh token from `cairn env`"):
        client(lambda _request: httpx.Response(401, text="no")).status()


def test_stack_that_does_not_answer() -> None:
    """A refused connection asks for the engine and the stack."""

    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(CairnError, match=r"does not answer at http://127\.0\.0\.1:8080.*make up"):
        client(answer).usage()
