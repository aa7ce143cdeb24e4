"""`cairn run`: replaces this process by the command, with the stack in its environment and the hook on PYTHONPATH."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from cairn.errors import CairnError
from cairn.hook import SITE_DIR
from cairn.stack import Stack, find
from workloads import contract


def run_command(name: str | None, command: list[str]) -> None:
    """Never returns: the command takes over this process, its signals and its exit code.

    Raises:
        CairnError: there is no such command.
    """
    environment = command_environment(find(name), os.environ)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 (the user's own command)
    except OSError as error:
        raise CairnError(f"can't run {command[0]}: {error.strerror}") from error


def command_environment(stack: Stack, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that points Google's SDKs and MLflow at the stack."""
    removed = {
        contract.ENV_TOKEN_FILE,
        "STORAGE_EMULATOR_HOST",
    }  # the token is given; the other makes clients anonymous
    result = {key: value for key, value in environ.items() if key not in removed}
    paths = [str(SITE_DIR), *(path for path in [environ.get("PYTHONPATH")] if path)]
    result |= stack.environment() | {"PYTHONPATH": os.pathsep.join(paths)}
    if not (environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")):
        own = str(Path(sys.executable).parent)
        result["PATH"] = os.pathsep.join([own, environ.get("PATH", os.defpath)])
    return result
