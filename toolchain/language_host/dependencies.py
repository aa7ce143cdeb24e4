"""What `pulumi install` runs for a project: pure functions.

Called by service.py. A project that names no virtual environment runs in the host's own, which `make setup` fills from
locked requirements: nothing is installed there behind its back.
"""

import sys
from pathlib import Path

from pulumi.runtime.proto import language_pb2

from toolchain.language_host import programs


def commands(info: language_pb2.ProgramInfo) -> list[list[str]]:
    """Make the environment where it is missing, then install the project's requirements.txt where there is one."""
    if not dict(info.options).get("virtualenv"):
        return []
    folder = programs.virtualenv(info)
    if (folder / "bin" / "python").exists():
        return []
    make = [sys.executable, "-m", "venv", str(folder)]
    requirements = Path(info.program_directory) / "requirements.txt"
    if not requirements.exists():
        return [make]
    return [make, [str(folder / "bin" / "python"), "-m", "pip", "install", "-r", str(requirements)]]
