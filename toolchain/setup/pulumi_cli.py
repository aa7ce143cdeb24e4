"""The Pulumi CLI and its Python language host, in `.cairn/tools/pulumi/bin`.

In this order: the official one that is installed already, the official download, a build from the CLI's Go module. The
last has no language host of Pulumi's beside it, since its module is not served: there, ours does its work, which is
built from toolchain/pulumi_cli/language_host.
"""

import platform
import re
import shlex
import shutil
import sys
import tarfile
from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import download, files, golang, virtualenv
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Step

NAME = "Pulumi CLI"
PACKAGE = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK = "github.com/pulumi/pulumi/sdk/v3"
VERSION_VARIABLE = f"{SDK}/go/common/version.Version"
EXECUTOR = "pulumi-language-python-exec"
HOST = "pulumi-language-python"
RELEASES = "https://get.pulumi.com/releases/sdk"
CHECKSUMS = f"{RELEASES}/pulumi-{versions.PULUMI}-checksums.txt"


def step(machine: Machine, shell: Shell) -> Step:
    """`pulumi` and `pulumi-language-python`, side by side."""
    stamp = machine.pulumi_bin.parent / ".cairn"
    sources = (path for path in _module(machine).rglob("*") if path.is_file())
    wanted = f"{versions.PULUMI} {files.digest(sources, str(machine.root))}"

    def done() -> str | None:
        complete = machine.pulumi.exists() and (machine.pulumi_bin / HOST).exists()
        return f"{machine.pulumi}" if complete and files.stamped(stamp, wanted) else None

    def do() -> str:
        with files.scratch(machine.pulumi_bin) as part:
            made = _fill(machine, shell, part)
            shutil.rmtree(machine.pulumi_bin, ignore_errors=True)
            part.rename(machine.pulumi_bin)
        files.write(stamp, wanted)
        return made

    return Step(NAME, done, do, needs=(virtualenv.NAME, golang.NAME))


def _fill(machine: Machine, shell: Shell, folder: Path) -> str:
    installed = installed_version(machine, shell)
    if installed:
        for name in ("pulumi", HOST):
            (folder / name).symlink_to(str(shutil.which(name)))
        return f"{installed} (installed already)"
    if download.reached(CHECKSUMS):
        _download(folder)
        return f"{versions.PULUMI} (official)"
    _build(machine, shell, folder)
    write_language_host(machine, folder)
    return f"{versions.PULUMI} (built from its Go module)"


def installed_version(machine: Machine, shell: Shell) -> str | None:
    """The version of an official installation on PATH that is new enough and has its Python language host."""
    if shutil.which("pulumi") is None or shutil.which(HOST) is None:
        return None
    numbers = re.search(
        r"v(\d+)\.(\d+)\.(\d+)", shell.ask(["pulumi", "version"], env={"PULUMI_SKIP_UPDATE_CHECK": "1"}).text
    )
    if numbers is None:
        return None
    found = tuple(int(number) for number in numbers.groups())
    oldest = tuple(int(number) for number in versions.PULUMI.split("."))
    return ".".join(numbers.groups()) if found >= oldest else None


def _download(folder: Path) -> None:
    """The official archive, checked against Pulumi's published SHA-256."""
    system = {"linux": "linux", "darwin": "darwin"}[sys.platform]
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    name = f"pulumi-v{versions.PULUMI}-{system}-{machine}.tar.gz"
    checksums = download.text(CHECKSUMS)
    expected = next((line.split()[0] for line in checksums.splitlines() if line.endswith(name)), None)
    if expected is None:
        raise ToolchainError(f"Pulumi publishes no checksum for {name}", "install Pulumi by hand, then repeat")
    archive = download.file(f"{RELEASES}/{name}", folder / name, expected)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    for program in (folder / "pulumi").iterdir():
        program.rename(folder / f"{program.name}.part")
    (folder / "pulumi").rmdir()
    for program in folder.glob("*.part"):
        program.rename(program.with_suffix(""))


def _build(machine: Machine, shell: Shell, folder: Path) -> None:
    module = _module(machine)
    flags = f"-s -w -X {VERSION_VARIABLE}=v{versions.PULUMI}"
    golang.build(machine, shell, "pulumi-cli", module, PACKAGE, folder / "pulumi", flags)
    golang.build(
        machine, shell, "language-host", module, "./language_host", folder / machine.own_language_host.name, "-s -w"
    )
    asked = [golang.command(machine, shell), "-C", str(module), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK]
    source = Path(shell.ask(asked, timeout=120).text) / "python" / "cmd" / EXECUTOR
    if not source.is_file():
        raise ToolchainError(f"{source} is not in Pulumi's SDK module", "remove Go's module cache of it, then repeat")
    shutil.copyfile(source, folder / EXECUTOR)


def write_language_host(machine: Machine, folder: Path) -> None:
    """The program that Pulumi looks for: our host with the places of what it runs."""
    executor = machine.pulumi_bin / EXECUTOR
    words = [machine.own_language_host, machine.python, executor, machine.root / "toolchain" / "later.py"]
    command = " ".join(shlex.quote(str(word)) for word in words)
    files.write(folder / HOST, f'#!/bin/sh\nexec {command} "$@"\n', mode=0o755)


def _module(machine: Machine) -> Path:
    """The Go module of both programs."""
    return machine.root / "toolchain" / "pulumi_cli"
