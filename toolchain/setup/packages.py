"""Installs packages of Debian and Ubuntu where that is allowed, and says what to do where it is not.

Called by the steps that need the engine or debootstrap.
"""

import os
import shutil
import threading
from collections.abc import Sequence

from toolchain.shell import Shell, ToolchainError

LOG = "apt"
# Steps run side by side, apt does not.
_one_at_a_time = threading.Lock()


def root_prefix(shell: Shell) -> list[str] | None:
    """What makes a command run as root: nothing for root, sudo where it asks for no password, else None."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if shell.ask(["sudo", "-n", "true"]).code == 0 else None


def installable(shell: Shell) -> bool:
    """Whether this machine has apt and lets us use it."""
    return shutil.which("apt-get") is not None and root_prefix(shell) is not None


def install(shell: Shell, names: Sequence[str], what: str) -> None:
    """Install packages with apt.

    Raises:
        ToolchainError: no apt, no right to use it, or apt failed.
    """
    wish = " ".join(names)
    prefix = root_prefix(shell)
    if shutil.which("apt-get") is None or prefix is None:
        raise ToolchainError(
            f"{what} is missing, and this machine has no apt-get that may be used (root, or sudo without a password)",
            f"install it (Debian and Ubuntu: sudo apt-get install {wish}), then repeat",
        )
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    with _one_at_a_time:
        shell.run(LOG, [*prefix, *quiet, "update"], "see that a Debian mirror is reached (/etc/apt), then repeat")
        command = [*prefix, *quiet, "install", "--no-install-recommends", *names]
        shell.run(LOG, command, f"see why `apt-get install {wish}` fails, then repeat")
