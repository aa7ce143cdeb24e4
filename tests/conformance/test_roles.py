"""Roles: what the principals of the stack's config may do, at every door of the platform."""

import secrets

import httpx
import pytest
from google.cloud import storage

from tests.support.stack import Stack
from workloads import tokens

FORBIDDEN = 403


def ask(stack: Stack, principal: str, verb: str, url: str, body: object = None) -> int:
    """The status of a principal's request."""
    return httpx.request(verb, url, json=body, headers=stack.headers_of(principal), timeout=30).status_code


def changes(stack: Stack) -> list[tuple[str, str, dict[str, str]]]:
    """One change at each door."""
    name = f"roles-{secrets.token_hex(4)}"
    return [
        ("POST", f"{stack.vertex_url}/endpoints", {"displayName": name}),
        ("POST", f"{stack.api_endpoint}/storage/v1/b?project=p", {"name": name}),
        ("POST", f"{stack.tracking_uri}/api/2.0/mlflow/experiments/create", {"name": name}),
    ]


def test_a_viewer_reads_and_changes_nothing(stack: Stack, bucket: storage.Bucket) -> None:
    """Resources, status, usage, objects and runs are shown to a viewer; every change and every prediction is a 403."""
    bucket.blob("x").upload_from_string(b"x")
    for url in (
        f"{stack.vertex_url}/customJobs",
        f"{stack.api_endpoint}/cairn/v1/status",
        f"{stack.api_endpoint}/cairn/v1/usage",
        f"{stack.api_endpoint}/storage/v1/b/{bucket.name}/o/x?alt=media",
        f"{stack.tracking_uri}/api/2.0/mlflow/experiments/get?experiment_id=0",
    ):
        assert ask(stack, "vic", "GET", url) == httpx.codes.OK, url
    predict = ("POST", f"{stack.vertex_url}/endpoints/1:predict", {"instances": [1]})
    for verb, url, body in (*changes(stack), predict):
        assert ask(stack, "vic", verb, url, body) == FORBIDDEN, url


def test_a_developer_makes_and_removes(stack: Stack) -> None:
    """Endpoints, buckets and experiments are a developer's to make, and to remove."""
    for verb, url, body in changes(stack):
        assert ask(stack, "dana", verb, url, body) == httpx.codes.OK, url
    endpoints = httpx.get(f"{stack.vertex_url}/endpoints", headers=stack.headers_of("dana"), timeout=30).json()
    (made,) = [each for each in endpoints["endpoints"] if each["displayName"].startswith("roles-")]
    assert ask(stack, "dana", "DELETE", f"{stack.api_endpoint}/v1/{made['name']}") == httpx.codes.OK


def test_who_did_what_is_in_the_audit_log(stack: Stack) -> None:
    """Changes at every door, refused ones too, with who, what, to what, and the result."""
    (_, endpoints, endpoint), (_, buckets, bucket), (_, experiments, experiment) = changes(stack)
    assert ask(stack, "vic", "POST", endpoints, endpoint) == FORBIDDEN
    assert ask(stack, "vic", "POST", experiments, experiment) == FORBIDDEN
    assert ask(stack, "dana", "POST", buckets, bucket) == httpx.codes.OK
    assert ask(stack, "dana", "POST", experiments, experiment) == httpx.codes.OK
    found = stack.get("audit?pageSize=20")["entries"]
    assert {(each["principal"], each["role"], each["method"], each["status"]) for each in found} >= {
        ("vic", "viewer", "EndpointService.CreateEndpoint", FORBIDDEN),
        ("vic", "viewer", "POST experiments/create", FORBIDDEN),
        ("dana", "developer", "POST", httpx.codes.OK),
        ("dana", "developer", "POST experiments/create", httpx.codes.OK),
    }
    made = next(each for each in found if each["method"] == "POST experiments/create" and each["principal"] == "dana")
    assert made["resource"] == f"experiments/{experiment['name']}"
    assert all(each["source"] for each in found)
    assert ask(stack, "dana", "GET", f"{stack.api_endpoint}/cairn/v1/audit") == FORBIDDEN


@pytest.mark.parametrize("door", ["vertex", "storage", "tracking"])
def test_another_stacks_token_opens_no_door(stack: Stack, door: str) -> None:
    """A token that another stack has signed for its admin is a 401."""
    url = {
        "vertex": f"{stack.vertex_url}/customJobs",
        "storage": f"{stack.api_endpoint}/storage/v1/b",
        "tracking": f"{stack.tracking_uri}/api/2.0/mlflow/experiments/get?experiment_id=0",
    }[door]
    stranger = tokens.sign(
        tokens.Principal("admin", tokens.ROLE_ADMIN), stack.name, "another stack's signing key, long"
    )
    answer = httpx.get(url, headers={"Authorization": f"Bearer {stranger}"}, timeout=30)
    assert answer.status_code == httpx.codes.UNAUTHORIZED
