"""Whether the Docker engine of this machine can carry the settings: its size, ports in use, GPUs."""

import socket
from contextlib import closing

from infra.backends.docker.backend import DockerBackend
from infra.backends.docker.engine import Engine
from infra.backends.docker.services import LOOPBACK
from infra.settings import Settings


def choose(stack: str, settings: Settings) -> tuple[DockerBackend, list[str]]:
    """The backend of a stack, and what this host lacks."""
    backend = DockerBackend(stack, settings.base_image)
    return backend, problems(settings, backend.engine)


def problems(settings: Settings, engine: Engine | None) -> list[str]:
    """Everything that this host lacks."""
    if engine is None:
        return []
    return [*_size(settings, engine), *_accelerators(settings, engine), *_ports(settings, engine)]


def _size(settings: Settings, engine: Engine) -> list[str]:
    capacity, found = settings.capacity, []
    if capacity.cpu > engine.cpus:
        found.append(f"cairn:capacity.cpu is {capacity.cpu:g}, the Docker engine has {engine.cpus:g} cores; lower it")
    if capacity.memory_mib > engine.memory_mib:
        found.append(
            f"cairn:capacity.memory is {capacity.memory_mib} MiB, the Docker engine has {engine.memory_mib} MiB; "
            "lower it"
        )
    return found


def _accelerators(settings: Settings, engine: Engine) -> list[str]:
    if not settings.accelerators or engine.gpus:
        return []
    offered = ", ".join(sorted(settings.accelerators))
    remedy = "install the NVIDIA container toolkit or remove the setting"
    return [f"cairn:accelerators offers {offered}, but the Docker engine has no NVIDIA runtime; {remedy}"]


def _ports(settings: Settings, engine: Engine) -> list[str]:
    return [
        f"cairn:ports.{name} is {port}, where another program listens already; stop it or choose another port"
        for name, port in settings.ports.by_key().items()
        if port not in engine.own_ports and _in_use(port)
    ]


def _in_use(port: int) -> bool:
    """Whether binding fails; SO_REUSEADDR as the engine does, so that closed connections don't count."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
        return False
