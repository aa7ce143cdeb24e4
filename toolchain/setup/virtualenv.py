"""The virtual environment `.venv`: locked requirements, then this project itself, editable.

Everything is checked by hash. uv installs, since it is ten times as fast as pip; where uv cannot run, pip does it.
"""

import json
import shutil
import sys
import tomllib
from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import files, packages
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Step

NAME = "Python environment"
LOG = "virtualenv"


def step(machine: Machine, shell: Shell) -> Step:
    """`.venv` with everything in requirements/dev.txt and the `cairn` command."""
    stamp = machine.venv / ".cairn"
    wanted = _wanted(machine)

    def done() -> str | None:
        return f"{machine.venv}" if machine.python.exists() and files.stamped(stamp, wanted) else None

    def do() -> str:
        _make(machine, shell)
        how = _install(machine, shell)
        files.write(stamp, wanted)
        return f"Python {sys.version_info.major}.{sys.version_info.minor}, {how}"

    return Step(NAME, done, do)


def _wanted(machine: Machine) -> str:
    locks = [machine.root / "requirements" / name for name in ("dev.txt", "build.txt", "example.txt", "uv.txt")]
    # Of pyproject.toml only what an installation depends on: the settings of linters change more often.
    project = tomllib.loads((machine.root / "pyproject.toml").read_text())
    parts = [json.dumps(project.get(name), sort_keys=True) for name in ("project", "build-system")]
    return files.digest(locks, str(machine.root), *parts)


def _make(machine: Machine, shell: Shell) -> None:
    """An environment whose Python answers is kept: installing into it again is quick."""
    if shell.ask([str(machine.python), "-m", "pip", "--version"]).code == 0:
        return
    shutil.rmtree(machine.venv, ignore_errors=True)
    if shell.ask([sys.executable, "-c", "import ensurepip"]).code:
        packages.install(shell, ["python3-venv"], "Python's venv module")
    remedy = f"see that `{sys.executable} -m venv` works (Debian and Ubuntu: apt-get install python3-venv)"
    shell.run(LOG, [sys.executable, "-m", "venv", str(machine.venv)], remedy)


def _install(machine: Machine, shell: Shell) -> str:
    """Requirements, then the project; returns which installer did it."""
    locks = machine.root / "requirements"
    try:
        shell.run(LOG, [*_pip(machine), "--require-hashes", "-r", str(locks / "uv.txt")], "see the log")
        # Compiled now (10 s), as pip does: Google's SDK takes 11 s to import without, 3 s with.
        options = ["--quiet", "--compile-bytecode", "--python", str(machine.python)]
        _fill(shell, [str(machine.venv / "bin" / "uv"), "pip", "install", *options], locks, machine.root)
    except ToolchainError:
        # uv has no build for this machine, or does not speak to this network (proxies, old glibc): pip is slower.
        _fill(shell, _pip(machine), locks, machine.root)
        return "installed by pip"
    return "installed by uv"


def _pip(machine: Machine) -> list[str]:
    return [str(machine.python), "-m", "pip", "install", "--disable-pip-version-check"]


def _fill(shell: Shell, installer: list[str], locks: Path, root: Path) -> None:
    remedy = (
        "check that a Python package index is reached (pip's own settings, PIP_CERT and proxies count), then repeat"
    )
    hashed = [*installer, "--require-hashes", "-r", str(locks / "dev.txt"), "-r", str(locks / "build.txt")]
    shell.run(LOG, hashed, remedy)
    ours = [*installer, "--no-deps", "--no-build-isolation"]  # built by what build.txt has just installed
    shell.run(LOG, [*ours, "--require-hashes", "-r", str(locks / "example.txt")], remedy)
    shell.run(LOG, [*ours, "--editable", str(root)], remedy)


def check_python() -> None:
    """Say it first, and plainly, when Python is too old for everything that follows.

    Raises:
        ToolchainError: this Python is too old.
    """
    if sys.version_info[:2] < versions.PYTHON:
        wanted = ".".join(str(part) for part in versions.PYTHON)
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise ToolchainError(
            f"Cairn needs Python {wanted} or newer; {sys.executable} is {here}",
            f"install a newer Python and say which: make PYTHON=python{wanted} …",
        )
