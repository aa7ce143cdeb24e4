"""Images as a stack builds them, containers as a stack runs them, nothing left behind.

For tests that need one of the platform's images without a stack: tests/integration and the container of postgres.py.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from infra.backends import images
from infra.backends.base import ImageSpec
from workloads import contract

BASE_IMAGE = "cairn-base:latest"
SUPPORT = Path(__file__).parent


def ensure_image(client: docker.DockerClient, spec: ImageSpec) -> str:
    """The image, built as a stack would build it, unless the engine has it."""
    arguments = {"BASE_IMAGE": BASE_IMAGE, **spec.args}
    context = images.files(spec)
    tag = images.content_hash(context, arguments)
    reference = f"cairn/{spec.name}:{tag}"
    if not client.images.list(name=reference):
        folder = images.stage(spec.name, tag, context, images.CONTEXTS)
        client.images.build(
            path=str(folder), dockerfile=spec.dockerfile, tag=reference, buildargs=arguments, rm=True, forcerm=True
        )
    return reference


@dataclass
class Lab:
    """Containers on a network of their own, under the limits of the policies: no root, no capabilities, read-only.

    Attributes:
        folder: for files that containers see.
    """

    client: docker.DockerClient
    folder: Path
    name: str = field(default_factory=lambda: f"img{secrets.token_hex(3)}")
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labels = {contract.LABEL_STACK: self.name}
        self.network = self.client.networks.create(self.name, labels=self.labels)

    def image(self, spec: ImageSpec) -> str:
        """See ensure_image."""
        return ensure_image(self.client, spec)

    def run(
        self,
        service: str,
        image: str,
        command: list[str] | None = None,
        *,
        ports: Sequence[int] | Mapping[int, int] = (),
        volumes: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Container:
        """Start a container with this DNS name; a ready one with its name is replaced.

        Args:
            ports: those to publish, on free ports of 127.0.0.1; or which on which, so that a restart keeps them.
            volumes: volume's short name, or a path of the host, to the path in the container.
        """
        container_name = f"{self.name}-{service}"
        published = ports if isinstance(ports, Mapping) else dict.fromkeys(ports, 0)
        for old in self.client.containers.list(all=True, filters={"name": f"^/{container_name}$"}, ignore_removed=True):
            old.remove(force=True, v=True)
        created = self.client.containers.create(
            image,
            command,
            name=container_name,
            hostname=service,
            user=contract.RUN_AS,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            tmpfs={"/tmp": "size=512m,mode=1777,exec"},
            environment=dict(env or {}),
            ports={f"{port}/tcp": ("127.0.0.1", host) for port, host in published.items()},
            volumes=[*self._volumes(volumes or {}), f"{self._secrets_folder()}:{contract.SECRETS_DIR}:ro"],
            labels=self.labels,
            network=str(self.network.name),
        )
        self.network.disconnect(created)
        self.network.connect(created, aliases=[service])
        created.start()
        return created

    def _volumes(self, volumes: Mapping[str, str]) -> Iterator[str]:
        for source, target in volumes.items():
            if not source.startswith("/"):
                self.client.volumes.create(f"{self.name}-{source}", labels=self.labels)
            yield f"{source if source.startswith('/') else f'{self.name}-{source}'}:{target}"

    def _secrets_folder(self) -> Path:
        folder = self.folder / "secrets"
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        for name, text in self.secrets.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o644)
        return folder

    def port(self, container: Container, port: int) -> int:
        """The port on 127.0.0.1 under which the container's port is published."""
        container.reload()
        published = container.ports[f"{port}/tcp"]
        assert published, f"{container.name} does not publish {port}"
        return int(published[0]["HostPort"])

    def close(self) -> None:
        """Leave nothing."""
        remove_all(self.client, self.name)


def remove_all(client: docker.DockerClient, stack: str) -> None:
    """Remove what carries the stack's label: containers, volumes, networks."""
    label = f"{contract.LABEL_STACK}={stack}"
    for container in client.containers.list(all=True, filters={"label": label}, ignore_removed=True):
        container.remove(force=True, v=True)
    for volume in client.volumes.list(filters={"label": label}):
        volume.remove(force=True)
    for network in client.networks.list(filters={"label": label}):
        network.remove()


def wait_for(what: str, condition: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    raise TimeoutError(f"{what} within {timeout_s:.0f} s")


def wait_until_healthy(container: Container, timeout_s: float = 60.0) -> None:
    """Wait for the image's own health check to pass; its log is in the error."""

    def health() -> bool:
        container.reload()
        if container.status == "exited":
            raise RuntimeError(f"{container.name} ended: {container.logs().decode()}")
        return bool(container.attrs["State"]["Health"]["Status"] == "healthy")

    wait_for(f"{container.name} healthy", health, timeout_s)


@contextmanager
def open_lab(folder: Path) -> Iterator[Lab]:
    """A lab that is gone at the end."""
    client = docker.from_env(timeout=900)
    try:
        lab = Lab(client, folder)
        try:
            yield lab
        finally:
            lab.close()
    finally:
        client.close()
