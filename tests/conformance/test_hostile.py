"""Hostile input: whatever comes through the gateway, the answer is clear, and everybody else is served meanwhile."""

import io
import socket
import tarfile
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest
from google.cloud import storage

from tests.conformance import jobs
from tests.support import raw_http
from tests.support.hostile import bombard
from tests.support.stack import Stack
from workloads import contract

REQUESTS = 200
SLOW = 300
AT_ONCE_S = 2.0


def address(stack: Stack) -> tuple[str, int]:
    """Of the gateway."""
    parts = urlsplit(stack.api_endpoint)
    return str(parts.hostname), int(parts.port or 80)


def values(stack: Stack) -> dict[str, str]:
    """What raw requests leave open."""
    host, port = address(stack)
    return {
        "auth": f"Authorization: Bearer {stack.token}",
        "host": f"{host}:{port}",
        "project": stack.project,
        "location": stack.location,
    }


def test_messages_made_to_harm(stack: Stack) -> None:
    """Two hundred hostile messages over all served methods: no 500, each refusal in Google's model, nothing crashes."""
    assert sum(bombard(stack, REQUESTS).values()) >= REQUESTS
    stack.wait_healthy()


def test_bytes_made_to_harm(stack: Stack) -> None:
    """Fifty requests that no client sends: smuggled lengths, forged headers, path tricks; none gets further."""
    wrong = []
    for case in raw_http.RAW:
        status, answer = raw_http.send(address(stack), case.to_bytes(values(stack)))
        if status not in case.may or answer.count(b"HTTP/1.1 ") > 1 or b"root:" in answer:
            wrong.append(f"{case.name}: {status} is not among {case.may}: {answer[:200]!r}")
    assert wrong == []
    stack.wait_healthy()


def test_slow_requests_hold_up_nobody(stack: Stack) -> None:
    """Three hundred connections that never finish their request: others are answered at once."""
    begun = f"POST /v1/projects/{stack.project}/x HTTP/1.1\r\nHost: x\r\nContent-Le".encode()
    with ExitStack() as held:
        for _ in range(SLOW):
            connection = held.enter_context(socket.create_connection(address(stack), timeout=10))
            connection.sendall(begun)
        started = time.monotonic()
        httpx.get(f"{stack.vertex_url}/customJobs", headers=stack.headers, timeout=30).raise_for_status()
        assert time.monotonic() - started < AT_ONCE_S
    httpx.get(f"{stack.api_endpoint}{contract.PATH_HEALTH}", timeout=30).raise_for_status()


def test_oversized_requests(stack: Stack) -> None:
    """A message of 20 MB is refused with what to do instead, and a body without end is cut off."""
    body = b'{"displayName": "' + b"a" * (20 << 20) + b'"}'
    answer = httpx.post(f"{stack.vertex_url}/endpoints", content=body, headers=stack.headers, timeout=60)
    assert answer.status_code in (400, 413), answer.text
    assert answer.json()["error"]["message"]


TRICKS = ("..", "%2e%2e", "..%2f..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%252e%252e%252f", "x%00y", "..%5c..", ".sgwtmp")


def test_path_tricks_in_names_of_objects(stack: Stack) -> None:
    """Bucket and object names with dots, slashes and NULs, in every encoding, never reach a file outside."""
    for trick in TRICKS:
        own = f"b/{stack.staging_bucket}/o/{trick}"
        for path in (f"b/{trick}", f"b/{trick}/o", own, f"{own}?alt=media", f"b/{trick}/o/passwd?alt=media"):
            request = raw_http.get(f"/storage/v1/{path}").replace("{auth}", values(stack)["auth"])
            status, answer = raw_http.send(address(stack), request.replace("{host}", "x").encode("latin-1"))
            assert status in (400, 404, 501), (path, answer)
            assert b"root:" not in answer


def packed(name: str, size: int) -> bytes:
    """A source package with one file of zeros beside its setup.py."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        setup = b"from setuptools import setup; setup(name='p', version='1', py_modules=[])"
        for path, content in (("p-1/setup.py", io.BytesIO(setup)), (name, _Zeros(size))):
            member = tarfile.TarInfo(path)
            member.size = len(setup) if path.endswith("setup.py") else size
            archive.addfile(member, content)
    return buffer.getvalue()


class _Zeros(io.RawIOBase):
    """So many zeros, never all of them in memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        """The next of them."""
        count = min(size, self._left) if size >= 0 else self._left
        self._left -= count
        return b"\0" * count


@pytest.mark.parametrize(
    ("name", "size", "says"),
    [
        ("p-1/zeros", 1 << 30, ("No space left", "memory")),
        ("../../../../tmp/escaped", 10, ("outside target directory",)),
    ],
    ids=["bomb", "traversal"],
)
def test_packages_made_to_harm(
    stack: Stack, bucket: storage.Bucket, name: str, size: int, says: tuple[str, ...]
) -> None:
    """A package that unpacks to a gigabyte, or beside its folder, ends its own job, which says why."""
    blob = bucket.blob("p-1.tar.gz")
    blob.upload_from_string(packed(name, size))
    pool = jobs.pool()
    del pool["container_spec"]
    package = {
        "executor_image_uri": jobs.IMAGE,
        "package_uris": [f"gs://{bucket.name}/p-1.tar.gz"],
        "python_module": "p",
    }
    job = jobs.submit("hostile package", {**pool, "python_package_spec": package})
    assert jobs.wait_for(job) == jobs.FAILED
    said = jobs.error_of(job) + stack.logs(job.resource_name)
    assert any(words in said for words in says), said
    stack.wait_healthy()
