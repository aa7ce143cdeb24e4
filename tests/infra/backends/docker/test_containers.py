"""Containers of the Docker backend under mocks: hardening, wiring, and wishes that the engine can't meet."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.backends.base import PortSpec, ServiceSpec, UnmetWish, VolumeSpec
from infra.backends.docker import DockerBackend
from infra.backends.docker.containers import REST_S, healthcheck, probe_script
from tests.infra.program import ENGINE, Declared, backend, declare
from workloads import contract
from workloads.plans.container import ContainerSpec, Group, Mount, Probe, Resources

SPEC = ServiceSpec("web", "api", "cairn/web:0123456789abcdef", Resources(0.5, 512))


def service(spec: ServiceSpec, docker: Callable[[], DockerBackend] = backend) -> dict[str, Any]:
    """The container of a service that is alone in its program."""

    def program() -> dict[str, Any]:
        made = docker()
        made.volume(VolumeSpec("data"), pulumi.ResourceOptions())
        made.service(spec, pulumi.ResourceOptions())
        return {}

    return declare(program).container(spec.name)


def test_hardening() -> None:
    """No container goes without these, whatever its spec says."""
    container = service(SPEC)
    assert container["user"] == contract.RUN_AS
    assert container["capabilities"] == {"drops": ["ALL"]}
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert container["readOnly"] is True
    assert (container["memory"], container["memorySwap"], container["cpus"]) == (512, 512, "0.5")
    assert container["ulimits"][0]["name"] == "nproc"
    assert container["logOpts"]["max-size"]
    assert container["restart"] == "always", "unless-stopped ones stay down after a kill -9 of the engine"


def test_published_ports_are_on_the_loopback() -> None:
    """A port is published only where the spec says so, on 127.0.0.1."""
    container = service(replace(SPEC, ports=(PortSpec(80, 8080), PortSpec(81))))
    assert [(port["ip"], port["internal"], port["external"]) for port in container["ports"]] == [
        ("127.0.0.1", 80, 8080)
    ]


def test_environment_and_command() -> None:
    """Environment is sorted, so that it never flaps; a command replaces the entrypoint."""
    container = service(replace(SPEC, env={"B": "2", "A": "1"}, command=("run",), args=("fast",)))
    assert container["envs"] == ["A=1", "B=2"]
    assert (container["entrypoints"], container["command"]) == (["run"], ["fast"])


def test_mounts() -> None:
    """A service's mounts name the engine's volumes; secrets get a volume of their own."""
    container = service(replace(SPEC, mounts=(Mount("data", "/data"),), secrets={"key": "s"}))
    mounts = {mount["target"]: mount["source"] for mount in container["mounts"]}
    assert mounts == {"/data": "cairn-test-data", contract.SECRETS_DIR: "cairn-test-web-secrets"}


def test_mount_without_volume() -> None:
    """A mount of a volume that nobody declared is a mistake of the kind, and named."""
    with pytest.raises(ValueError, match=r"service 'web' mounts gone; make it with backend\.volume"):
        service(replace(SPEC, mounts=(Mount("gone", "/data"),)))


def test_engine_access() -> None:
    """Only a service that asks gets the socket, with the group that may open it."""
    assert not service(SPEC).get("mounts")
    container = service(replace(SPEC, engine_access=True))
    assert [mount["source"] for mount in container["mounts"]] == ["/var/run/docker.sock"]
    assert container["groupAdds"] == ["998"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (replace(SPEC, resources=Resources(1, 512, gpus=1)), "asks for 1 GPUs.*NVIDIA container toolkit"),
        (replace(SPEC, engine_access=True), "talks to the engine.*DOCKER_HOST"),
    ],
)
def test_unmet_wishes(spec: ServiceSpec, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this engine can't do fails while the program runs, so in previews already, with the remedy."""
    monkeypatch.setattr("infra.backends.docker.backend.inspect", lambda stack: None)
    with pytest.raises(UnmetWish, match=says):
        service(spec, lambda: DockerBackend("test"))


def test_gpus_where_there_are_some() -> None:
    """With the runtime, GPUs are asked for by count."""
    spec = replace(SPEC, resources=Resources(1, 512, gpus=2))
    container = service(spec, lambda: backend(engine=replace(ENGINE, gpus=True)))
    assert container["deviceRequests"] == [{"driver": "nvidia", "count": 2, "capabilities": ["gpu"]}]


def planned(engine_api: tuple[int, int]) -> Declared:
    """A planned model server on an engine with this API."""
    spec = ContainerSpec(
        name="model-1",
        image="family",
        resources=Resources(1, 1024),
        files={"/run/secrets/token": "placeholder"},
        mounts=(Mount("cairn-test-data", "/gcs/models", subpath="models", read_only=True),),
        labels={contract.LABEL_KIND: "deployed_model"},
        restart="always",
    )

    def program() -> dict[str, Any]:
        docker = backend(engine=replace(ENGINE, api=engine_api))
        docker.volume(VolumeSpec("data"), pulumi.ResourceOptions())
        docker.workload(
            Group(spec, 2), "cairn/x:0123456789abcdef", {"/run/secrets/token": "jwt"}, pulumi.ResourceOptions()
        )
        return {}

    return declare(program)


def test_planned_container() -> None:
    """Each of a group becomes a container with the given image and files, the plan's labels and the stack's."""
    declared = planned((1, 41))
    assert declared.container("model-1-1")["hostname"] == "model-1-1"
    container = declared.container("model-1-0")
    assert container["image"] == "cairn/x:0123456789abcdef"
    assert declared.uploads("model-1-0") == {"/run/secrets/token": "jwt"}
    labels = {each["label"]: each["value"] for each in container["labels"]}
    assert labels[contract.LABEL_KIND] == "deployed_model"
    assert labels[contract.LABEL_STACK] == "test"
    assert labels[contract.LABEL_MANAGED_BY] == contract.MANAGED_BY_PULUMI


def test_bucket_folder_on_an_old_and_a_new_engine() -> None:
    """Docker before 26 mounts the folder's place on its disk, later ones the folder of the volume."""
    old = planned((1, 41)).container("model-1-0")["mounts"][0]
    assert (old["type"], old["source"], old["readOnly"]) == (
        "bind",
        "/engine/volumes/cairn-test-data/_data/models",
        True,
    )
    new = planned((1, 45)).container("model-1-0")["mounts"][0]
    assert (new["type"], new["source"], new["volumeOptions"]) == ("volume", "cairn-test-data", {"subpath": "models"})


@contextmanager
def server(status: int) -> Iterator[int]:
    """An HTTP server on a port of its own that always answers with this status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever)
    thread.start()
    try:
        yield httpd.server_port
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def probe(port: int, path: str, answered: Path, rest_s: float = 0.0) -> int:
    """Exit code of a probe's command, run here."""
    command = ["bash", "-c", probe_script(Probe(port, path, timeout_s=1.0), str(answered), rest_s)]
    return subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (404, False)])
def test_http_probe(status: int, healthy: bool, tmp_path: Path) -> None:
    """The probe's command succeeds for 200 and for nothing else, each time anew."""
    with server(status) as port:
        for _ in range(2):
            assert (probe(port, "/healthz", tmp_path / "answered") == 0) is healthy


def test_tcp_probe(tmp_path: Path) -> None:
    """Without a path it succeeds when the port accepts, and fails when nobody listens."""
    with server(500) as port:
        assert probe(port, "", tmp_path / "answered") == 0
    assert probe(port, "", tmp_path / "answered") != 0


@pytest.mark.parametrize("path", ["", "/healthz"])
def test_a_probe_rests_only_after_an_answer(path: str, tmp_path: Path) -> None:
    """At a start, and after a failure, the next run is in a hurry; within a healthy service it is not."""
    answered = tmp_path / "answered"

    def seconds(expected: bool) -> float:
        begin = time.monotonic()
        assert (probe(port, path, answered, rest_s=0.5) == 0) is expected
        return time.monotonic() - begin

    with server(200) as port:
        assert seconds(True) < 0.5
        assert seconds(True) >= 0.5
    assert seconds(False) >= 0.5
    assert seconds(False) < 0.5


def test_a_probe_that_is_never_answered_ends() -> None:
    """The engine leaves what takes too long to itself, so it would pile up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        assert probe(silent.getsockname()[1], "/healthz", Path("/nowhere/answered")) != 0
    assert time.monotonic() - begin < 5


def test_a_check_has_time_for_its_rest() -> None:
    """The engine takes a run that rests for no failure."""
    check = healthcheck(Probe(80, "/"))
    assert check is not None
    assert check.timeout == f"{REST_S + Probe(80).timeout_s:g}s"
    assert healthcheck(None) is None
