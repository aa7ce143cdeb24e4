"""A Docker engine that answers: the one there is, else Debian's own, installed and started."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

from toolchain.machine import Machine
from toolchain.setup import packages
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Step

NAME = "Docker engine"
START_SECONDS = 60
QUESTION = ["docker", "version", "--format", "{{.Server.Version}} (API {{.Server.APIVersion}}, {{.Server.Arch}})"]
# Only the host itself speaks to its loopback addresses.
LOOPBACK_RULE = ["PREROUTING", "-d", "127.0.0.0/8", "!", "-i", "lo", "-j", "DROP"]

# cgroup v1 counts all containers together as one process of the host (1024). Beside a dozen that start jobs, the
# platform would come last: with the weight of eight, a get's p99 is half (BENCHMARKS.md, the queue).
# Of version 2 there is no such file.
WEIGH = "cd /sys/fs/cgroup/cpu && test -e cpu.shares && mkdir -p docker && echo 8192 > docker/cpu.shares"


def step(machine: Machine, shell: Shell) -> Step:
    """`docker version` answers."""

    def do() -> str:
        if machine.environ.get("DOCKER_HOST"):
            raise ToolchainError(
                f"no Docker engine answers at DOCKER_HOST={machine.environ['DOCKER_HOST']}: {answer(shell)[1]}",
                "start it, or unset DOCKER_HOST to use this machine's own",
            )
        if sys.platform != "linux":
            raise ToolchainError("no Docker engine answers", "start Docker Desktop (or colima), then repeat")
        if shutil.which("dockerd") is None:
            packages.install(shell, ["docker.io", "iptables"], "a Docker engine")
        _start(machine, shell)
        return f"{_wait(machine, shell)}, started"

    return Step(NAME, lambda: answer(shell)[0], do)


def answer(shell: Shell) -> tuple[str | None, str]:
    """The engine's version, or None and why not."""
    said = shell.ask(QUESTION)
    return (said.text if said.code == 0 else None), said.text


def architecture(shell: Shell) -> str:
    """The engine's architecture in Go's words: on macOS it differs from nothing but the system."""
    return shell.ask(["docker", "version", "--format", "{{.Server.Arch}}"]).text


def _start(machine: Machine, shell: Shell) -> None:
    """By the service manager where one runs; containers and sandboxes have none, there it is our own process."""
    prefix = packages.root_prefix(shell)
    if prefix is None:
        raise ToolchainError(
            "the Docker engine does not answer, and starting it needs root or sudo without a password",
            "start it (sudo systemctl start docker) and see that you may use it (group docker), then repeat",
        )
    if shell.ask(["systemctl", "is-system-running"]).text in ("running", "degraded", "starting"):
        shell.run("docker", [*prefix, "systemctl", "start", "docker"], "see `journalctl -u docker`")
        return
    shell.ask([*prefix, "sh", "-c", WEIGH])
    machine.logs.mkdir(parents=True, exist_ok=True)
    with (machine.logs / "dockerd.log").open("ab") as log:
        # A session of its own: it is meant to outlive this run.
        subprocess.Popen(
            [*prefix, "dockerd", *_options(shell, prefix)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _options(shell: Shell, prefix: Sequence[str]) -> list[str]:
    """Published ports are the kernel's: the engine's proxy takes a third of a millisecond a request (BENCHMARKS.md).

    The kernel then routes 127.0.0.0/8 from containers' bridges, so a container with NET_RAW, as `docker run` gives it,
    could reach what listens on the host's loopback only. Where no rule keeps it out, the proxy stays.
    """
    table = [*prefix, "iptables", "-w", "-t", "raw"]
    ruled = any(shell.ask([*table, verb, *LOOPBACK_RULE]).code == 0 for verb in ("-C", "-I"))
    return ["--userland-proxy=false"] if ruled else []


def _wait(machine: Machine, shell: Shell) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        version, _why = answer(shell)
        if version:
            return version
        time.sleep(0.25)
    raise ToolchainError(
        f"the Docker engine did not answer within {START_SECONDS} s: {answer(shell)[1]}",
        f"read {machine.logs / 'dockerd.log'}; if it runs, see that you may use its socket (group docker), then repeat",
    )
