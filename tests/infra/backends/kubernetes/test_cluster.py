"""Asking the cluster: what it says is understood, and what it does not tell is "not known"."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.backends.kubernetes import cluster
from infra.backends.kubernetes.kubeconfig import Access
from infra.backends.kubernetes.quantities import cores, mebibytes

NODE = {
    "metadata": {"name": "n1", "labels": {"pool": "a"}},
    "spec": {},
    "status": {"allocatable": {"cpu": "1930m", "memory": "7937Mi", "nvidia.com/gpu": "2"}},
}
CORDONED = {**NODE, "spec": {"unschedulable": True}}
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
ANSWERS: dict[str, Any] = {
    "/api/v1/nodes": [NODE, CORDONED],
    "/apis/storage.k8s.io/v1/storageclasses": [
        {"metadata": {"name": "standard", "annotations": DEFAULT}},
        {"metadata": {"name": "slow"}},
    ],
    "/api/v1/services": [
        {"metadata": {"name": "web", "namespace": "x"}, "spec": {"ports": [{"nodePort": 30080}, {"port": 1}]}},
        {"metadata": {"name": "own", "namespace": "cairn-test"}, "spec": {"ports": [{"nodePort": 30500}]}},
    ],
}


class _Handler(BaseHTTPRequestHandler):
    """Answers as an API server does; what is not in ANSWERS is forbidden."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        found = ANSWERS.get(self.path)
        known = self.headers["Authorization"] == "Bearer token"
        body = json.dumps({"items": found}).encode()
        self.send_response((200 if found is not None else 403) if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key in the same file."""
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *subject]
    subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.fixture
def access(certificate: Path) -> Iterator[Access]:
    """How an API server on a port of its own is reached."""
    with HTTPServer(("127.0.0.1", 0), _Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        authority = Path(f"{certificate}.crt").read_text()
        yield Access(f"https://127.0.0.1:{server.server_port}", authority=authority, token="token")
        server.shutdown()
        thread.join()


def test_what_it_says(access: Access) -> None:
    """Nodes that take pods, storage classes, and the node ports of others."""
    known = cluster.inspect(access, "test")
    assert known is not None
    assert known.nodes == (cluster.Node("n1", 1.93, 7937, {"pool": "a"}, {"nvidia.com/gpu": 2}),)
    assert known.storage_classes == {"standard": True, "slow": False}
    assert known.node_ports == {30080: "x/web"}


def test_what_may_not_be_seen_is_not_known(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login of one namespace sees no nodes; the rest is told all the same."""
    monkeypatch.delitem(ANSWERS, "/api/v1/nodes")
    known = cluster.inspect(access, "test")
    assert known is not None
    assert known.nodes is None
    assert known.storage_classes


@pytest.mark.parametrize(
    "wrong",
    [{"token": "other"}, {"authority": ""}, {"name": "another.host"}, {"server": "https://127.0.0.1:1"}],
    ids=["refused login", "unknown authority", "another's certificate", "nobody there"],
)
def test_cluster_that_can_not_be_asked(access: Access, wrong: dict[str, str]) -> None:
    """It is not known, not a crash; a certificate is checked."""
    assert cluster.inspect(Access(**{**vars(access), **wrong}), "test") is None


def test_quantities() -> None:
    """As nodes spell them."""
    assert [cores(each) for each in ("2", "1930m", "0.5")] == [2.0, 1.93, 0.5]
    assert [mebibytes(each) for each in ("24479184Ki", "16Gi", "1e9", "128974848", "1G")] == [
        23905,
        16384,
        953,
        123,
        953,
    ]
    with pytest.raises(ValueError, match="'2 GB' is not a quantity"):
        mebibytes("2 GB")
