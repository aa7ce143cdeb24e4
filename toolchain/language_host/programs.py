"""Which command runs a program, a policy pack or a plugin: pure functions over the engine's requests.

Called by service.py. The interpreter is the project's `virtualenv` option where it is set, else the one that runs this
host: that is the environment the set-up made, with the SDKs that our plugins need.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pulumi.runtime.proto import language_pb2

EXECUTOR = "pulumi-language-python-exec"


class NoInterpreterError(Exception):
    """The project names a virtual environment that is not there."""


def interpreter(info: language_pb2.ProgramInfo) -> Path:
    """The Python that a program wants: `runtime.options.virtualenv`, relative to its project's folder."""
    option = dict(info.options).get("virtualenv")
    if not option:
        return Path(sys.executable)
    folder = virtualenv(info)
    python = folder / "bin" / "python"
    if not python.exists():
        raise NoInterpreterError(
            f"{folder} (runtime.options.virtualenv: {option}) has no bin/python: run `make setup`, "
            "or `pulumi install` in that project"
        )
    return python


def virtualenv(info: language_pb2.ProgramInfo) -> Path:
    """The folder that the option names; not resolved, since a virtual environment is known by its path."""
    return Path(os.path.normpath(Path(info.root_directory) / str(dict(info.options)["virtualenv"])))


def program_command(request: language_pb2.RunRequest, engine: str, executor: Path) -> list[str]:
    """How the SDK's executor runs a Pulumi program."""
    info = request.info
    options = {
        "monitor": request.monitor_address,
        "engine": engine,
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization,
        "root_directory": info.root_directory,
        "pwd": request.pwd,
        "dry_run": "true" if request.dryRun else "false",
        "parallel": str(request.parallel),
    }
    arguments = [part for name, value in options.items() if value for part in (f"--{name}", value)]
    program = os.path.normpath(Path(info.program_directory) / info.entry_point)
    return [str(interpreter(info)), "-u", str(executor), *arguments, program, *request.args]


def program_environment(request: language_pb2.RunRequest, inherited: Mapping[str, str]) -> dict[str, str]:
    """The stack's config travels in the environment: command lines can be read by every user of the machine."""
    return {
        **inherited,
        "PULUMI_CONFIG": json.dumps(dict(request.config)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
    }


def plugin_command(request: language_pb2.RunPluginRequest) -> list[str]:
    """Policy packs are hosted by the SDK's own module; any other plugin is a folder with a `__main__.py`."""
    info = request.info
    python = [str(interpreter(info)), "-u"]
    program = os.path.normpath(Path(info.program_directory) / info.entry_point)
    if request.kind == "analyzer":
        return [*python, "-m", "pulumi.policy", *request.args, program]
    return [*python, program, *request.args]


def plugin_environment(request: language_pb2.RunPluginRequest) -> dict[str, str]:
    """The engine sends the whole environment as NAME=value lines."""
    return dict(line.split("=", 1) for line in request.env if "=" in line)
