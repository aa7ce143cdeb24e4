"""What the Docker engine of this machine says of itself: size, runtimes, who holds which port.

Called while the program runs, also in previews, so it only asks. It speaks HTTP over the socket with the standard
library, since a client library takes long to import. An engine that can't be asked this way (TCP, SSH, not running) is
None, which means "not known": the provider will report on it in its own words.
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from workloads import contract

DEFAULT_SOCKET: Final = "/var/run/docker.sock"
DEFAULT_ROOT: Final = "/var/lib/docker"
TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class Engine:
    """An engine that answered.

    Attributes:
        socket: the socket's path as the engine's own machine sees it.
        socket_group: numeric group that may open the socket inside a container.
        gpus: it can hand GPUs to containers.
        api: version of its API, such as (1, 41).
        root: its folder on the disk of its machine.
        own_ports: ports on the host that containers of the asked stack publish.
    """

    cpus: float
    memory_mib: int
    socket: str
    socket_group: str
    gpus: bool
    api: tuple[int, ...]
    root: str
    own_ports: frozenset[int]


def inspect(stack: str) -> Engine | None:
    """The engine as the stack sees it, or None when it can't be asked."""
    path = socket_path()
    if path is None:
        return None
    try:
        return _ask(path, stack)
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _ask(path: str, stack: str) -> Engine:
    info: Mapping[str, Any] = _get(path, "/info")
    filters = quote(json.dumps({"label": [f"{contract.LABEL_STACK}={stack}"]}))
    containers: list[dict[str, Any]] = _get(path, f"/containers/json?filters={filters}")
    in_machine = _runs_in_a_machine_of_its_own(info)
    return Engine(
        cpus=float(info.get("NCPU", 0)),
        memory_mib=int(info.get("MemTotal", 0)) // 2**20,
        socket=DEFAULT_SOCKET if in_machine else path,
        socket_group="0" if in_machine else str(Path(path).stat().st_gid),
        gpus="nvidia" in info.get("Runtimes", {}),
        api=_api_version(_get(path, "/version")),
        root=str(info.get("DockerRootDir", DEFAULT_ROOT)),
        own_ports=frozenset(
            port["PublicPort"] for each in containers for port in each["Ports"] if "PublicPort" in port
        ),
    )


def socket_path() -> str | None:
    """The engine's socket: DOCKER_HOST's, else the usual one."""
    host = os.environ.get("DOCKER_HOST", f"unix://{DEFAULT_SOCKET}")
    path = host.removeprefix("unix://")
    return path if host.startswith("unix://") and Path(path).is_socket() else None


def _runs_in_a_machine_of_its_own(info: Mapping[str, Any]) -> bool:
    """Docker Desktop and rootless engines show the socket to containers as root's, wherever it is on the host."""
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or ())
    return rootless or info.get("OperatingSystem") == "Docker Desktop"


def _api_version(version: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(number) for number in str(version["ApiVersion"]).split("."))


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)


def _get(path: str, resource: str) -> Any:
    connection = _Connection(path)
    try:
        connection.request("GET", resource)
        response = connection.getresponse()
        text = response.read()
        if response.status != http.client.OK:
            raise ValueError(f"{resource}: {response.status}")
        return json.loads(text)
    finally:
        connection.close()
