"""Runs a piece of a Pulumi program under mocks, with an event loop of its own, and tells what it declared."""

import asyncio
import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.mocks import MockMonitor, MockResourceArgs, Mocks, set_mocks

from infra.backends import images
from infra.backends.docker import DockerBackend
from infra.backends.docker.engine import Engine
from infra.backends.kubernetes import KubernetesBackend
from infra.cluster_settings import Cluster

SECRET_SIGNATURE_KEY = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270"
ENGINE = Engine(
    cpus=4,
    memory_mib=16384,
    socket="/var/run/docker.sock",
    socket_group="998",
    gpus=False,
    api=(1, 41),
    root="/engine",
    own_ports=frozenset(),
)


def secret(name: str) -> str:
    """The password that the mocked provider makes for a resource."""
    return f"secret-of-{name}".ljust(40, "x")


class _Provider(Mocks):
    """Answers as the providers do where the program relies on it: computed outputs are there."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        computed: dict[str, dict[str, Any]] = {
            "random:index/randomPassword:RandomPassword": {"result": secret(args.name)},
            "kubernetes:core/v1:Service": {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}}},
        }
        return f"{args.name}-id", {**args.inputs, **computed.get(args.typ, {})}

    def call(self, args: Any) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"the program looks something up while it runs: {args.token}")


@dataclass
class Declared:
    """What a program declared: URN → inputs and computed outputs."""

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, bool] = field(default_factory=dict)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Name → state of the resources of a type, such as "docker:index/container:Container"."""
        return {urn.split("::")[3]: state for urn, state in self.resources.items() if urn.split("::")[2].endswith(kind)}

    def manifest(self, kind: str, name: str) -> dict[str, Any]:
        """The object of a kind, such as "apps/v1:Deployment", with this name in its namespace."""
        (found,) = [each for each in self.of_kind(kind) if each["metadata"]["name"] == name]
        return found

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Every object of a Kubernetes kind."""
        return [state for urn, state in self.resources.items() if urn.split("::")[2].endswith(kind)]

    def pods(self) -> dict[str, dict[str, Any]]:
        """Name of the Deployment or StatefulSet → its pod's template."""
        kinds = ("apps/v1:Deployment", "apps/v1:StatefulSet")
        return {each["metadata"]["name"]: each["spec"]["template"] for kind in kinds for each in self.of_kind(kind)}

    def container(self, name: str) -> dict[str, Any]:
        """A container's inputs."""
        return self.of_type("docker:index/container:Container")[name]

    def uploads(self, name: str) -> dict[str, str]:
        """Path → content of the files that a container gets; they must be marked secret."""
        uploads = self.container(name).get("uploads")
        if not uploads:
            return {}
        assert uploads[SECRET_SIGNATURE_KEY] == SECRET_SIGNATURE, f"the uploads of {name} are not secret"
        return {each["file"]: each["content"] for each in uploads["value"]}


def backend(**changes: Any) -> DockerBackend:
    """The Docker backend of a stack named "test", on an engine that is not asked."""
    return DockerBackend("test", engine=changes.pop("engine", ENGINE), **changes)


CLUSTER = Cluster("127.0.0.1:5001/cairn", seccomp_profile="cairn/workloads.json")


def kubernetes(cluster: Cluster = CLUSTER, **changes: Any) -> KubernetesBackend:
    """The Kubernetes backend of the same stack, on a cluster that nobody asks."""
    return KubernetesBackend("test", cluster, **changes)


@contextlib.contextmanager
def _event_loop() -> Iterator[None]:
    """A loop of the program's own."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        yield
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@contextlib.contextmanager
def _images_are_not_staged() -> Iterator[None]:
    """Their sources are other tests' business, and a folder in the checkout is nobody's."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "files", lambda spec: {})
        patch.setattr(images, "CONTEXTS", Path(folder))
        yield


def declare(program: Callable[[], dict[str, Any]], *, preview: bool = False) -> Declared:
    """Run the program, which returns the outputs to look at, and wait until everything is registered."""
    declared = Declared()
    with _event_loop(), _images_are_not_staged():
        monitor = MockMonitor(_Provider())
        set_mocks(_Provider(), project="cairn", stack="test", preview=preview, monitor=monitor)

        def run() -> pulumi.Output[Any]:
            wanted = {name: pulumi.Output.from_input(value) for name, value in program().items()}
            return pulumi.Output.all(*(_note(declared, name, output) for name, output in wanted.items()))

        pulumi.runtime.test(run)()  # type: ignore[no-untyped-call]
        declared.resources = {urn: dict(known.state) for urn, known in monitor.get_registered_resources().items()}
    return declared


def _note(declared: Declared, name: str, output: pulumi.Output[Any]) -> pulumi.Output[None]:
    async def noted() -> None:
        declared.outputs[name] = await output.future()
        declared.secrets[name] = await output.is_secret()

    waited: pulumi.Output[None] = pulumi.Output.from_input(noted())
    return waited
