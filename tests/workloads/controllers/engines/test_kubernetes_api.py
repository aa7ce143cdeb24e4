"""Calls to an API server, and its errors in the protocol's terms."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from kubernetes.client import Configuration

from workloads.config import Capacity, PlatformConfig
from workloads.controllers.buckets import Buckets
from workloads.controllers.engines.base import Refused, Unavailable
from workloads.controllers.engines.kubernetes_api import JOBS, PODS, Api, Conflict, Gone, NotFound, connect

Answer = tuple[int, Any]
Handle = Callable[[str, str, Any], Answer]


@contextmanager
def server(handle: Handle) -> Iterator[str]:
    """An HTTP server; `handle` gets method, path and body, and answers status and JSON or, as a list, its lines."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Every method."""

        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = handle(self.command, self.path, body)
            lines = answer if isinstance(answer, list) else [answer]
            text = "".join(json.dumps(line) + "\n" for line in lines).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = do  # noqa: N815  names that http.server calls

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.server_port}"
        finally:
            listening.shutdown()


@contextmanager
def api(handle: Handle) -> Iterator[Api]:
    """An Api of namespace "ns" before such a server."""
    with server(handle) as url:
        settings = Configuration()
        settings.host = url
        client = connect(settings)
        yield Api(client, "ns")
        client.rest_client.pool_manager.clear()
        client.close()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Refused), (401, Unavailable), (403, Refused), (404, NotFound), (409, Conflict), (410, Gone),
        (422, Refused), (429, Unavailable), (500, Unavailable), (503, Unavailable),
    ],
)  # fmt: skip
def test_errors(status: int, kind: type[Exception]) -> None:
    """The server's words, in what the controllers make of them."""
    answer = (status, {"kind": "Status", "message": "its own words"})
    with api(lambda *_: answer) as calls, pytest.raises(kind, match="its own words"):
        calls.list(PODS)


def test_calls() -> None:
    """Paths, queries and bodies; what is gone is deleted already; no namespace to create in is a refusal."""
    seen: list[Any] = []

    def handle(method: str, path: str, body: Any) -> Answer:
        seen.append((method, path, body))
        return (404, {"message": "none"}) if method in ("DELETE", "POST") else (200, {"items": []})

    with api(handle) as calls:
        calls.list(JOBS, labelSelector="a=b,c")
        calls.patch(JOBS, "one/scale", {"spec": {}})
        assert calls.delete(PODS, "one", gracePeriodSeconds=1) is None
        with pytest.raises(Refused, match="none"):
            calls.create(PODS, {"kind": "Pod"})
    base = "/apis/batch/v1/namespaces/ns/jobs"
    assert seen == [
        ("GET", f"{base}?labelSelector=a%3Db%2Cc", None),
        ("PATCH", f"{base}/one/scale", {"spec": {}}),
        ("DELETE", "/api/v1/namespaces/ns/pods/one", {"kind": "DeleteOptions", "gracePeriodSeconds": 1}),
        ("POST", "/api/v1/namespaces/ns/pods", {"kind": "Pod"}),
    ]


def test_watch() -> None:
    """Events one by one, until the stream ends or says that it can't go on from there."""
    events = [{"type": "ADDED", "object": {}}, {"type": "ERROR", "object": {"code": 410, "message": "too old"}}]
    with api(lambda *_: (200, events)) as calls:
        watch = calls.watch(PODS, 5, resourceVersion="1")
        assert next(watch) == events[0]
        with pytest.raises(Gone, match="too old"):
            next(watch)


def test_buckets() -> None:
    """Those that the storage API knows; one that can't be asked for now is neither there nor missing."""
    answers = {"/storage/v1/b/there": 200, "/storage/v1/b/missing": 404}
    with server(lambda _, path, __: (answers.get(path, 503), {})) as url:
        config = PlatformConfig(
            stack="s", project="p", location="l", staging_bucket="b", machine_types={}, images={}, networks={},
            capacity=Capacity(1, 1), gateway_url=url,
        )  # fmt: skip
        buckets = Buckets(config, "k" * 32)
        assert (buckets.has("there"), buckets.has("missing")) == (True, False)
        with pytest.raises(Unavailable, match="503"):
            buckets.has("other")
    with pytest.raises(Unavailable, match="does not answer"):
        buckets.has("there")
