"""Whether this host can carry the settings: size of the engine, ports in use, GPUs. Asked before anything is made.

An `up` fails; a preview only warns, because it may look at a stack that is meant for another machine.
What can't be known (an engine that can't be asked) is not checked here: the engine itself will refuse.
"""

import socket
from contextlib import closing

import pulumi

from infra.backends.docker.engine import Engine
from infra.reading import SettingsError
from infra.settings import Settings

LOOPBACK = "127.0.0.1"


def check(settings: Settings, engine: Engine | None) -> None:
    """Fail an `up`, warn a preview.

    Raises:
        SettingsError: in an `up`, when the host can't carry the settings.
    """
    found = problems(settings, engine)
    if not found:
        return
    if not pulumi.runtime.is_dry_run():
        raise SettingsError(found)
    for problem in found:
        pulumi.log.warn(f"`pulumi up` would fail on this machine: {problem}")


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
    ports = {"api": settings.ports.api, "tracking": settings.ports.tracking, "objectStore": settings.ports.object_store}
    return [
        f"cairn:ports.{name} is {port}, where another program listens already; stop it or choose another port"
        for name, port in ports.items()
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
