"""Pulumi's resource plugins, at the versions that the SDKs in the virtual environment ask for.

The official ones where their site is reached; else those of toolchain/plugins, which speak the official schema. Where
they are ours, a change of their sources installs them anew.
"""

import json
from pathlib import Path

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import download, files, pulumi_cli
from toolchain.shell import Shell, ToolchainError
from toolchain.steps import Step


def steps(machine: Machine, shell: Shell) -> list[Step]:
    """A step for each plugin."""
    return [_step(machine, shell, name) for name in versions.PLUGINS]


def sdk_version(machine: Machine, name: str) -> str | None:
    """The plugin's version that the installed SDK package asks for."""
    found = sorted(machine.venv.glob(f"lib/python*/site-packages/pulumi_{name}/pulumi-plugin.json"))
    return str(json.loads(found[0].read_text())["version"]) if found else None


def _step(machine: Machine, shell: Shell, name: str) -> Step:
    source = machine.root / "toolchain" / "plugins" / name

    def installed(version: str) -> Path:
        return machine.pulumi_home / "plugins" / f"resource-{name}-v{version}"

    def done() -> str | None:
        version = sdk_version(machine, name)
        if version is None or not installed(version).exists():
            return None
        ours = installed(version) / ".cairn"
        fresh = not ours.exists() or files.stamped(ours, digest(source))
        return version if fresh else None

    def do() -> str:
        version = sdk_version(machine, name)
        if version is None:
            raise ToolchainError(
                f"pulumi-{name} is not installed in {machine.venv}", f"remove {machine.venv}, then repeat"
            )
        if download.reached(pulumi_cli.CHECKSUMS):
            _install(machine, shell, name, version, [])
            return f"{version} (official)"
        _install(machine, shell, name, version, ["--reinstall", "--file", str(source)])
        files.write(installed(version) / ".cairn", digest(source))
        return f"{version} (toolchain/plugins/{name})"

    return Step(f"{name} plugin", done, do, needs=(pulumi_cli.NAME,))


def digest(source: Path) -> str:
    """A hash over what a plugin's folder holds."""
    return files.digest(path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _install(machine: Machine, shell: Shell, name: str, version: str, options: list[str]) -> None:
    command = [str(machine.pulumi), "plugin", "install", "resource", name, version, *options]
    remedy = "repeat; if it stays, remove the folder PULUMI_HOME (or .cairn/pulumi) and repeat"
    shell.run(f"plugin-{name}", command, remedy, env=machine.pulumi_variables(), timeout=300)
