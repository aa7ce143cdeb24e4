"""The Docker engine that this process uses, ended and started again as it is managed: for chaos, never in `make test`.

One that a service manager runs, by that; else (in sandboxes: toolchain/setup/docker_engine.py) it is a process that is
started anew with its own command line, environment and log.
"""

import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import docker
from docker.errors import DockerException

from tests.support.environment import ROOT, clean_environment
from toolchain.machine import Machine
from toolchain.setup import packages
from toolchain.shell import RealShell

UNIT: Final = "docker.service"
SOCKET: Final = "unix:///var/run/docker.sock"
END_S: Final = 60.0  # it gives each container ten seconds, all together
AGAIN_S: Final = 2.0
ANSWER_S: Final = 120.0


def restart(*, orderly: bool) -> None:
    """Return when the engine answers again.

    Args:
        orderly: by SIGTERM, so that it ends its containers first; else by kill -9, which leaves them to the next one.

    Raises:
        RuntimeError: it is on another machine, nobody may, or it did not come back.
    """
    number = _listener(os.environ.get("DOCKER_HOST", SOCKET))
    if number == 1 or UNIT in Path(f"/proc/{number}/cgroup").read_text():
        _by_service_manager(orderly)
        _wait(lambda: None)
    else:
        _as_process(number, orderly)


def _wait(look_after: Callable[[], None]) -> None:
    deadline = time.monotonic() + ANSWER_S
    while not answers():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the Docker engine does not answer {ANSWER_S} s after its restart: start it by hand")
        look_after()
        time.sleep(0.1)


def answers() -> bool:
    """Whether the engine does."""
    try:
        return bool(docker.from_env(timeout=5).ping())
    except (DockerException, OSError):
        return False


def _listener(url: str) -> int:
    """The process that listens on the engine's socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(url.removeprefix("unix://"))
        size = struct.calcsize("3i")
        return int(struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))[0])


def _by_service_manager(orderly: bool) -> None:
    machine = Machine(ROOT, clean_environment())
    prefix = packages.root_prefix(RealShell(machine.logs, machine.environ))
    if prefix is None:
        raise RuntimeError("restarting the Docker engine needs root, or sudo without a password")
    services = [*prefix, "systemctl"]
    if not orderly:
        subprocess.run([*services, "kill", "--signal=SIGKILL", "--kill-who=main", UNIT], check=True)
    # It starts what was killed by itself, but perhaps not for the third time in a minute.
    subprocess.run([*services, "reset-failed", UNIT], check=False)
    subprocess.run([*services, "restart" if orderly else "start", UNIT], check=True)


@dataclass(frozen=True)
class _Process:
    """What is needed to start it again."""

    number: int
    command: list[str]
    environment: dict[str, str]
    folder: Path
    log: Path

    @classmethod
    def found(cls, number: int) -> "_Process":
        there = Path(f"/proc/{number}")
        words = [each.decode() for each in (there / "cmdline").read_bytes().split(b"\0")[:-1]]
        if not words or "dockerd" not in words[0]:
            raise RuntimeError(f"what listens on the Docker engine's socket is no dockerd: process {number}, {words}")
        pairs = (each.decode().partition("=") for each in (there / "environ").read_bytes().split(b"\0")[:-1])
        environment = {name: value for name, _, value in pairs}
        return cls(number, words, environment, (there / "cwd").readlink(), (there / "fd" / "1").readlink())

    def start(self) -> "subprocess.Popen[bytes]":
        log = self.log if self.log.is_file() else Path(os.devnull)
        with log.open("ab") as file:
            return subprocess.Popen(
                self.command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip


def _as_process(number: int, orderly: bool) -> None:
    if os.geteuid() != 0:
        raise RuntimeError("restarting the Docker engine, which no service manager runs here, needs root")
    process, deadline = _Process.found(number), time.monotonic() + END_S
    os.kill(process.number, signal.SIGTERM if orderly else signal.SIGKILL)
    while _runs(process.number):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the Docker engine (process {process.number}) has not ended within {END_S} s")
        time.sleep(0.05)
    started = [process.start()]

    def start_again() -> None:
        """As a service manager would: it gives up where its containerd is just ending too (20.10)."""
        if started[-1].poll() is not None:
            time.sleep(AGAIN_S)
            started.append(process.start())

    _wait(start_again)


def _runs(number: int) -> bool:
    """Whether it is there, be it as a zombie, over whose pid file the next one would stumble. One of ours is reaped."""
    with suppress(ChildProcessError):
        os.waitpid(number, os.WNOHANG)
    return Path(f"/proc/{number}").exists()
