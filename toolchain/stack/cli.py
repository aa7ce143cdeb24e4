"""The Pulumi CLI on one stack of this checkout: passphrase, selection, killed runs, a stack file that stays as it is.

Called by stack/commands.py.
"""

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.machine import STACK_VARIABLES, Machine
from toolchain.setup import files
from toolchain.shell import Shell, ToolchainError

# A killed engine's plugins see within half a second that it is gone.
SETTLE_SECONDS = 1.0


@dataclass(frozen=True)
class Cli:
    """Pulumi for one stack."""

    machine: Machine
    shell: Shell
    stack: str

    @property
    def file(self) -> Path:
        """The stack's committed config."""
        return self.machine.root / "stacks" / f"Pulumi.{self.stack}.yaml"

    def options(self) -> list[str]:
        """Which stack, with a copy of its config: Pulumi adds a salt to the file, and writes its numbers its own way.

        The salt is in the state too, where it is found again (PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER).
        """
        copy = self.machine.home / "stacks" / self.file.name
        files.write(copy, self.file.read_text())
        return ["--stack", self.stack, "--config-file", str(copy)]

    def command(self, *arguments: str) -> list[str]:
        """The words of a Pulumi command, whatever folder it is started in."""
        return [str(self.machine.pulumi), "--cwd", str(self.machine.root), "--non-interactive", *arguments]

    def ask(self, *arguments: str) -> str:
        """What a quick command prints.

        Raises:
            ToolchainError: the command failed.
        """
        said = self.shell.ask(self.command(*arguments), timeout=60, env=self.machine.pulumi_variables())
        if said.code:
            remedy = 'repeat it by hand after `eval "$(make -s env)"`'
            raise ToolchainError(f"`pulumi {' '.join(arguments)}`: {said.text}", remedy)
        return said.text

    def exists(self) -> bool:
        """Whether the stack is known to the backend."""
        return self._entry() is not None

    def resources(self) -> int:
        """How many resources the state has of the stack; none for a stack that is not known."""
        return int((self._entry() or {}).get("resourceCount") or 0)

    def _entry(self) -> dict[str, Any] | None:
        stacks = json.loads(self.ask("stack", "ls", "--json"))
        return next((entry for entry in stacks if entry["name"].rsplit("/", 1)[-1] == self.stack), None)

    def select(self) -> None:
        """Make the stack where it is missing, and the one that plain `pulumi` commands mean."""
        if not self.file.is_file():
            known = ", ".join(sorted(path.name.split(".")[1] for path in self.file.parent.glob("Pulumi.*.yaml")))
            raise ToolchainError(f"there is no {self.file}", f"write it, or choose another with STACK=…: {known}")
        make_passphrase(self.machine)
        with untouched(self.file):
            self.ask("stack", "select", "--create", self.stack)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, without the secret ones."""
        return dict(json.loads(self.ask("stack", "output", "--json", "--stack", self.stack)))

    def unlock(self) -> str | None:
        """Take away what a killed run left locked. Only on our own backend, and only when that process is gone.

        Raises:
            ToolchainError: it is not; the message says who is at work on the stack, and since when.
        """
        locks = [json.loads(path.read_text()) for path in self._files("locks/organization/*/{}/*.json")]
        for lock in filter(_held, locks):
            who = f"{lock['username']}@{lock['hostname']}, process {lock['pid']}, since {lock['timestamp']}"
            problem = f"Pulumi is at work on stack {self.stack}: {who}"
            raise ToolchainError(problem, "wait until it has ended, then repeat; `pulumi cancel` takes its lock away")
        if not locks:
            return None
        self.ask("cancel", "--yes", "--stack", self.stack)
        time.sleep(SETTLE_SECONDS)
        return f"the stack was still locked by process {locks[0]['pid']}, which is gone: unlocked"

    def unfinished(self) -> list[str]:
        """The resources that a killed run was at work on, by name, as the state has noted them; own backend only."""
        return [
            str(operation["resource"]["urn"]).rsplit("::", 1)[-1]
            for path in self._files("stacks/*/{}.json")
            for operation in json.loads(path.read_text())["checkpoint"]["latest"].get("pending_operations") or ()
        ]

    def _files(self, pattern: str) -> list[Path]:
        """The stack's files in our own backend; none where the user has another one."""
        ours = self.machine.own_backend == self.machine.pulumi_variables()["PULUMI_BACKEND_URL"]
        return sorted((self.machine.state / ".pulumi").glob(pattern.format(self.stack))) if ours else []


def _held(lock: dict[str, Any]) -> bool:
    """Whether the process that took the lock may still be at work: another machine's can't be looked at."""
    if lock.get("hostname", socket.gethostname()) != socket.gethostname():
        return True
    process = int(lock["pid"])
    if not Path("/proc/self").exists():
        return _alive(process)
    try:  # a number is given out again, so the process has to be Pulumi; one that has ended has no command line
        return b"pulumi" in Path(f"/proc/{process}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def make_passphrase(machine: Machine) -> None:
    """What encrypts the secrets in the state: made once, readable by its owner only, or the user's own."""
    machine.state.mkdir(parents=True, exist_ok=True)
    if any(name in machine.environ for name in STACK_VARIABLES) or machine.passphrase.exists():
        return
    files.write(machine.passphrase, secrets.token_urlsafe(32) + "\n", mode=0o600)


@contextmanager
def untouched(file: Path) -> Iterator[None]:
    """Leave a file as it was, byte for byte: making a stack writes its salt into the committed config."""
    before = file.read_text()
    try:
        yield
    finally:
        if file.read_text() != before:
            files.write(file, before, mode=file.stat().st_mode & 0o777)


def stream(cli: Cli, *arguments: str) -> "subprocess.Popen[str]":
    """Start a command that prints its events as lines of JSON; its own messages go with them."""
    return subprocess.Popen(
        cli.command(*arguments, "--json", *cli.options()),
        env=cli.machine.pulumi_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
