"""The token check around MLflow: who is let through, with what, and what it costs."""

import asyncio
import base64
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from workloads import tokens
from workloads.tracking import audit
from workloads.tracking.guard import TokenGuard

STACK, KEY = "stack", "k" * 40
WHO = "projects/p/locations/l/customJobs/1"
PEOPLE = [tokens.Principal(WHO, role) for role in (*tokens.ROLES_OF_PEOPLE, "auditor")]
VERIFY = tokens.verifier(STACK, KEY, tokens.listed(PEOPLE))
API = "/api/2.0/mlflow"
SEARCH = f"{API}/experiments/search"


def token(role: str = tokens.ROLE_ADMIN, buckets: tuple[str, ...] | None = None, **changes: Any) -> str:
    """A token of the stack."""
    sign: dict[str, Any] = {"stack": STACK, "keys": KEY, **changes}
    return tokens.sign(tokens.Principal(WHO, role, buckets), **sign)


async def echo(request: Request) -> PlainTextResponse:
    """Stands for MLflow: says what reached it."""
    return PlainTextResponse(f"{request.method} {(await request.body()).decode()}")


class Client:
    """A client of the guarded application, in this process."""

    def __init__(self, verify: tokens.Verify = VERIFY, log: audit.Write | None = None) -> None:
        verbs = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        self._app = TokenGuard(Starlette(routes=[Route("/{path:path}", echo, methods=verbs)]), verify, log)

    def request(self, verb: str, path: str, **sent: Any) -> httpx.Response:
        """One request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport) as client:
                return await client.request(verb, f"http://tracking:5000{path}", **sent)

        return asyncio.run(send())


@pytest.fixture
def client() -> Client:
    """A client."""
    return Client()


def bearer(text: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {text}"}


def basic(text: str) -> dict[str, str]:
    """The header of a browser's login."""
    return {"Authorization": "Basic " + base64.b64encode(f"anyone:{text}".encode()).decode()}


@pytest.mark.parametrize("path", ["/", SEARCH, "/graphql", "/static-files/x.js", "/version", "//healthz", "/healthz/"])
def test_nothing_without_a_token(client: Client, path: str) -> None:
    """Every page and call wants a token; the answer is JSON and asks a browser to log in."""
    answer = client.request("GET", path)
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith("Basic realm=")


@pytest.mark.parametrize(
    "headers",
    [
        bearer("x"),
        bearer(""),
        basic(""),
        {"Authorization": "Basic !"},
        {"Authorization": "Digest x"},
        bearer(token(stack="another")),
        bearer(token(keys="j" * 40)),
        bearer(token(expires_in_s=-5)),
    ],
)
def test_tokens_that_do_not_count(client: Client, headers: dict[str, str]) -> None:
    """Malformed, expired, another stack's and another key's tokens are refused, and not repeated in the answer."""
    answer = client.request("GET", SEARCH, headers=headers)
    assert answer.status_code == 401
    assert headers["Authorization"].split(" ")[1] not in answer.text or len(headers["Authorization"]) < 15


def test_health_is_open(client: Client) -> None:
    """The probe needs no token."""
    assert client.request("GET", "/healthz").json() == {"status": "ok"}
    assert client.request("GET", "/health").status_code == 200


@pytest.mark.parametrize("headers", [bearer(token()), basic(token())])
def test_the_admin_does_everything(client: Client, headers: dict[str, str]) -> None:
    """Bearer and Basic both work, and the body arrives whole."""
    assert client.request("POST", SEARCH, headers=headers, content=b"body").text == "POST body"
    assert client.request("DELETE", f"{API}/registered-models/delete", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "path", ["/gateway/x", "/ajax-api/2.0/mlflow/gateway-proxy", "/ajax-api/3.0/jobs/", "/x/webhooks"]
)
def test_parts_that_are_off(client: Client, path: str) -> None:
    """MLflow's gateway, jobs and webhooks are not served to anybody."""
    assert client.request("POST", path, headers=bearer(token())).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow-artifacts/presigned/1/x",
        "/ajax-api/2.0/mlflow-artifacts/mpu/create/1/x",
        "/api/2.0/mlflow/artifacts/presigned-download-url",
    ],
)
def test_no_urls_of_the_object_store(client: Client, path: str) -> None:
    """Signed URLs of the object store are handed out to nobody: 501, after which MLflow's client uses the proxy."""
    assert client.request("POST", path, headers=bearer(token())).status_code == 501


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", SEARCH, 200),
        ("POST", f"{API}/runs/create", 200),
        ("POST", f"{API}/runs/log-batch", 200),
        ("POST", f"{API}/experiments/create", 200),
        ("POST", f"{API}/registered-models/create", 200),
        ("POST", f"{API}/model-versions/create", 200),
        ("POST", "/api/2.0/mlflow/logged-models", 200),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/1/a/artifacts/delete/jobs", 200),
        ("POST", f"{API}/runs/delete", 403),
        ("POST", f"{API}/experiments/delete", 403),
        ("POST", f"{API}/experiments/restore", 403),
        ("POST", f"{API}/registered-models/rename", 403),
        ("DELETE", f"{API}/registered-models/delete", 403),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/1/a", 403),
        ("POST", "/api/2.0/mlflow/users/create", 403),
        ("POST", "/anything", 403),
    ],
)
def test_what_a_job_may_do(client: Client, verb: str, path: str, status: int) -> None:
    """A workload reads, writes runs, artefacts and models, and deletes nothing."""
    answer = client.request(verb, path, headers=bearer(token(tokens.ROLE_WORKLOAD, ())))
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("model-versions/create", {"source": "s3://own/model"}, 200),
        ("model-versions/create", {"source": "runs:/1/model"}, 200),
        ("model-versions/create", {"source": "models:/m-1"}, 200),
        ("model-versions/create", {"source": "mlflow-artifacts:/1/x"}, 200),
        ("model-versions/create", {"source": "s3://other/secret"}, 403),
        ("model-versions/create", {"source": "gs://other/secret"}, 403),
        ("model-versions/create", {"source": "http://169.254.169.254/"}, 403),
        ("model-versions/create", {"source": "file:///etc/passwd"}, 403),
        ("experiments/create", {"name": "x"}, 200),
        ("experiments/create", {"name": "x", "artifact_location": "s3://own/x"}, 200),
        ("experiments/create", {"name": "x", "artifact_location": "s3://other/x"}, 403),
    ],
)
def test_a_job_names_only_places_that_its_token_opens(
    client: Client, path: str, body: dict[str, str], status: int
) -> None:
    """MLflow reads with the stack's keys, so a workload can't point it at another's bucket, a file or a URL."""
    answer = client.request("POST", f"{API}/{path}", headers=bearer(token(tokens.ROLE_WORKLOAD, ("own",))), json=body)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.text.startswith("POST {")


def test_a_body_too_long_to_check_is_refused(client: Client) -> None:
    """A place can't be hidden behind a megabyte of padding."""
    padded = b'{"a": "' + b"x" * (1 << 21) + b'", "source": "s3://other/x"}'
    answer = client.request(
        "POST", f"{API}/model-versions/create", headers=bearer(token(tokens.ROLE_WORKLOAD, ())), content=padded
    )
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("GET", "/api/2.0/mlflow/runs/get", 200),
        ("GET", "/", 200),
        ("POST", "/api/2.0/mlflow/runs/search", 200),
        ("POST", "/api/2.0/mlflow/experiments/search", 200),
        ("POST", "/api/3.0/mlflow/traces/search", 200),
        ("POST", "/ajax-api/2.0/mlflow/logged-models/search", 200),
        ("POST", "/api/2.0/mlflow/runs/create", 403),
        ("POST", "/api/2.0/mlflow/runs/log-batch", 403),
        ("POST", "/api/2.0/mlflow/runs/delete", 403),
        ("POST", "/api/2.0/mlflow/registered-models/create", 403),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/x", 403),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/0/x", 403),
        ("POST", "/graphql", 403),
        ("POST", "/api/2.0/mlflow/runs/search/../delete", 403),
    ],
)
def test_what_a_viewer_may_do(client: Client, verb: str, path: str, status: int) -> None:
    """A viewer reads, searches included, which MLflow sends as POSTs, and writes nothing."""
    headers = bearer(token(tokens.ROLE_VIEWER))
    assert client.request(verb, path, headers=headers).status_code == status


def test_an_unknown_role_has_no_access(client: Client) -> None:
    """A token signed for a role of the future is not taken for an admin's."""
    assert client.request("GET", SEARCH, headers=bearer(token("auditor"))).status_code == 403


def test_a_revoked_token_is_refused() -> None:
    """At once when the people change, with a 401 that says what to do; as a browser's password too."""
    people = [*PEOPLE]
    client = Client(tokens.verifier(STACK, KEY, lambda: tokens.listed(people)))
    for headers in (bearer(token()), basic(token())):
        assert client.request("GET", SEARCH, headers=headers).status_code == 200
    del people[0]
    for headers in (bearer(token()), basic(token())):
        answer = client.request("GET", SEARCH, headers=headers)
        assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        assert "was revoked or replaced; take a fresh one" in answer.json()["message"]
    assert client.request("GET", SEARCH, headers=bearer(token(tokens.ROLE_VIEWER))).status_code == 200


async def _nothing(*_: object) -> None:
    return


def test_the_check_costs_less_than_a_millisecond() -> None:
    """The median of the check alone, measured without HTTP, is well below 1 ms."""
    guard = TokenGuard(_nothing, VERIFY)
    headers = [(b"authorization", f"Bearer {token()}".encode())]
    scope = {"type": "http", "method": "GET", "path": SEARCH, "headers": headers}

    async def measure() -> list[float]:
        taken = []
        for _ in range(300):
            start = time.perf_counter()
            await guard(scope, _nothing, _nothing)  # type: ignore[arg-type]
            taken.append(time.perf_counter() - start)
        return taken

    taken = sorted(asyncio.run(measure()))
    assert taken[150] < 0.001
