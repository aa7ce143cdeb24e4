"""Who reaches what: every address on which anything of the stack listens is tried from everywhere."""

import os
import subprocess
from collections.abc import Iterator

import httpx
import pytest
from google.cloud import aiplatform

import cairn
from tests.conformance import jobs
from tests.conformance.serving import Versions, deploy
from tests.support.backends import reach
from tests.support.backends.reach import Address
from tests.support.stack import Stack
from workloads import contract

GATED = {contract.GATEWAY_HOST, contract.TRACKING_HOST, contract.OBJECT_STORE_HOST}  # all of them want credentials
PLATFORM = {*GATED, contract.API_HOST, contract.DATABASE_HOST, contract.CONTROLLERS_HOST}
# With a server that stays, so that somebody might be reached.
SERVE = "import http.server; http.server.HTTPServer(('', 2222), http.server.BaseHTTPRequestHandler).serve_forever()"
NOBODY = 65534
VPC = "projects/123/global/networks/default"
PATHS = (
    "/", "/routes", "/v1/projects/p/locations/l/models", "/storage/v1/b", "/api/2.0/mlflow/experiments/search",
    "/staging", "/metrics", "/cairn/v1/status", "/docs", "/openapi.json", "/stats",
)  # fmt: skip
REFUSED = {400, 401, 403, 404, 405}
# From its first moment on, in which rules that come late would not be there yet.
OUT = """
import socket, sys, time
end = time.monotonic() + 5
while time.monotonic() < end:
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
        sys.exit()
    except OSError as problem:
        error = problem
        time.sleep(0.01)
sys.exit(f"no way out: {error}")
"""


def test_no_way_out_unless_asked_for(stack: Stack, vertex: cairn.Connection) -> None:
    """A job reaches nothing outside the stack; one whose message names a network does, and still reaches the stack."""
    with stack.site.outside() as (address, port):
        shut = jobs.submit("shut", jobs.pool("python3", "-c", OUT, address, port))
        opened = jobs.submit("open", jobs.pool("python3", "-c", OUT, address, port), network=VPC)
        assert jobs.wait_for(opened) == jobs.SUCCEEDED, opened.error
        assert jobs.wait_for(shut) == jobs.FAILED
        assert "no way out" in jobs.error_of(shut)


@pytest.fixture(scope="module")
def inhabited(stack: Stack, versions: Versions) -> Iterator[dict[str, set[Address]]]:
    """Everything that listens while two models are deployed and a job of two replicas serves; by service or group."""
    endpoint = aiplatform.Endpoint.create(display_name="apart")
    job = jobs.submit("serves", jobs.python(SERVE), jobs.python(SERVE))
    try:
        deploy(endpoint, versions[0], "one", 100)
        deploy(endpoint, versions[1], "two", 50)
        jobs.wait_for(job, jobs.RUNNING)
        assert jobs.eventually(lambda: any(("job-" in name) and found for name, found in _listening(stack).items()))
        yield _listening(stack)
    finally:
        job.cancel()
        endpoint.delete(force=True)


def _listening(stack: Stack) -> dict[str, set[Address]]:
    return stack.site.listening(stack.name)


def _kind(name: str) -> str:
    """A service's name, or "job" or "model"."""
    return name if name in PLATFORM else name.split("-", maxsplit=1)[0]


def _reached(stack: Stack, inhabited: dict[str, set[Address]], name: str) -> dict[str, set[Address]]:
    """By service or group: what of it, others than itself, accepts a connection from there."""
    everything = {each for other, addresses in inhabited.items() if other != name for each in addresses}
    found = stack.site.reached(stack.name, name, everything)
    return {other: found & addresses for other, addresses in inhabited.items() if found & addresses}


def _names(inhabited: dict[str, set[Address]], kind: str) -> list[str]:
    found = sorted(name for name in inhabited if _kind(name) == kind)
    assert found, inhabited
    return found


def test_jobs_reach_only_what_wants_credentials(stack: Stack, inhabited: dict[str, set[Address]]) -> None:
    """From a job nothing accepts a connection but gateway, tracking and object store; no model server, no database."""
    one, other = _names(inhabited, "job")
    assert set(_reached(stack, inhabited, one)) == {*GATED, other}


def test_model_servers_reach_the_gateway(stack: Stack, inhabited: dict[str, set[Address]]) -> None:
    """From a model server nothing accepts a connection but the gateway (and a health check): no other model server."""
    for server in _names(inhabited, "model"):
        found = set(_reached(stack, inhabited, server))
        assert {contract.GATEWAY_HOST} <= found <= {contract.GATEWAY_HOST, contract.CONTROLLERS_HOST}


@pytest.mark.parametrize("service", sorted(PLATFORM))
def test_services_reach_no_job(stack: Stack, inhabited: dict[str, set[Address]], service: str) -> None:
    """From a service of the platform no model server accepts a connection, but from those that ask them something."""
    found = {_kind(name) for name in _reached(stack, inhabited, service)}
    assert ("model" in found) <= (service in (contract.GATEWAY_HOST, contract.CONTROLLERS_HOST))
    assert ("model" in found) >= (service == contract.GATEWAY_HOST)


def test_the_host_reaches_only_what_is_published(stack: Stack, inhabited: dict[str, set[Address]]) -> None:
    """From another user of the host no container answers at its own address, but those that publish a port anyway."""
    everything = {each for addresses in inhabited.values() for each in addresses}
    command = ["/usr/bin/env", *reach.ask(everything, reach.own_address())]
    user = NOBODY if os.geteuid() == 0 else None
    done = subprocess.run(command, user=user, capture_output=True, text=True, check=True, cwd="/")
    found = reach.accepting(done.stdout)
    assert {_kind(name) for name, addresses in inhabited.items() if found & addresses} <= GATED


def test_nothing_answers_without_credentials(stack: Stack, inhabited: dict[str, set[Address]]) -> None:
    """Gateway, its agent, tracking and object store refuse every path to who has no token, and one of another stack."""
    for url in (stack.api_endpoint, stack.tracking_uri, stack.object_store_endpoint):
        for path in PATHS:
            for headers in ({}, {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ."}):
                answer = httpx.get(url + path, headers=headers, timeout=30)
                assert answer.status_code in REFUSED, f"{url}{path}: {answer.status_code} {answer.text[:200]}"
