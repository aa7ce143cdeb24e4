"""Docker Compose, with which tests start single services (pytest-docker); `make up` never needs it.

Docker's own packages bring it as `docker compose`, Debian's don't. Where it is missing, it is built from its Go module
into the checkout: the standalone program, so that the user's ~/.docker is left alone.
"""

from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import files, golang
from toolchain.shell import Shell
from toolchain.steps import Step

NAME = "Docker Compose"
PACKAGE = "github.com/docker/compose/v2/cmd"
VERSION_VARIABLE = "github.com/docker/compose/v2/internal.Version"
PLUGIN = ["docker", "compose"]


def step(machine: Machine, shell: Shell) -> Step:
    """`docker compose`, or `.cairn/tools/compose/docker-compose`."""
    module = machine.root / "toolchain" / "compose"
    folder = _folder(machine)
    wanted = files.digest(module.iterdir(), versions.COMPOSE)

    def done() -> str | None:
        installed = _plugin(shell)
        if installed:
            return f"{installed} (installed already)"
        complete = _program(machine).exists() and files.stamped(folder / ".cairn", wanted)
        return f"{_program(machine)}" if complete else None

    def do() -> str:
        with files.scratch(folder / "build") as part:
            program = part / "docker-compose"
            flags = f"-s -w -X {VERSION_VARIABLE}=v{versions.COMPOSE}"
            golang.build(machine, shell, "compose", module, PACKAGE, program, flags)
            program.replace(_program(machine))
        files.write(folder / ".cairn", wanted)
        return f"{versions.COMPOSE} (built from its Go module)"

    return Step(NAME, done, do, needs=(golang.NAME,))


def command(machine: Machine, shell: Shell) -> list[str]:
    """The words that start Compose, once the step is done."""
    return PLUGIN if _plugin(shell) else [str(_program(machine))]


def _plugin(shell: Shell) -> str | None:
    """The version of the Docker CLI's own Compose."""
    said = shell.ask([*PLUGIN, "version", "--short"])
    return said.text if said.code == 0 else None


def _folder(machine: Machine) -> Path:
    return machine.tools / "compose"


def _program(machine: Machine) -> Path:
    return _folder(machine) / "docker-compose"
