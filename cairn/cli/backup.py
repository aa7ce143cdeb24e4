"""`cairn backup` and `cairn restore`."""

import getpass
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cairn.backup import load, save
from cairn.backup.archive import Part
from cairn.backup.places import DockerPlace, KubernetesPlace, Place
from cairn.backup.save import Description
from cairn.cli.tables import console
from cairn.client import Client
from cairn.errors import CairnError
from cairn.stack import DEFAULT_STACK, ENV_STACK, Stack, from_outputs, project_root
from toolchain.machine import STACK_VARIABLES, Machine
from toolchain.shell import RealShell
from toolchain.stack import cluster
from toolchain.stack.cli import Cli

ENV_PASSPHRASE: Final = "CAIRN_BACKUP_PASSPHRASE"
SHORTEST: Final = 12
HEALTHY_S: Final = 180.0


def make_backup(name: str | None, file: Path, passphrase_file: Path | None) -> None:
    """Write a backup and say what it has."""
    stack, machine = _named(name), _machine()
    passphrase = _passphrase(passphrase_file, confirm=True)
    start = time.monotonic()
    size = save.save(file, passphrase, _description(stack), _place(machine, stack.name), _extra(machine, stack), _say)
    _say(f"✓ {file}: {size / 1e6:.1f} MB, stack {stack.name}, {time.monotonic() - start:.1f} s")


def restore_backup(name: str | None, file: Path, passphrase_file: Path | None, state_to: Path | None) -> None:
    """Restore a backup, or only take Pulumi's parts out of it."""
    passphrase = _passphrase(passphrase_file, confirm=False)
    if not file.is_file():
        raise CairnError(f"there is no file {file}")
    if state_to is not None:
        for written in load.extract_state(file, passphrase, state_to):
            _say(f"✓ {written}")
        return
    stack = _named(name)
    load.load(file, passphrase, _description(stack), _place(_machine(), stack.name), _say)
    _wait_healthy(Client(stack))
    _say(f"✓ stack {stack.name} is healthy; deployed models come up again as its capacity allows")


def _named(name: str | None) -> Stack:
    """By its outputs: a backup needs the checkout that has the stack, whatever the environment points at."""
    return from_outputs(name or os.environ.get(ENV_STACK) or DEFAULT_STACK)


def _machine() -> Machine:
    return Machine(project_root(), dict(os.environ))


def _description(stack: Stack) -> Description:
    return Description.of(stack.name, stack.project, stack.location, stack.staging_bucket)


def _place(machine: Machine, stack: str) -> Place:
    found = cluster.of(machine, RealShell(machine.logs, machine.environ), stack)
    if found is None:
        return DockerPlace(stack)
    return KubernetesPlace(stack, found.kubeconfig, found.config.context)


def _extra(machine: Machine, stack: Stack) -> Iterator[Part]:
    """What `up` made the stack with, and what opens its secrets."""
    cli = Cli(machine, RealShell(machine.logs, machine.environ), stack.name)
    yield Part(cli.file.name, [cli.file.read_bytes()])
    yield Part("state.json", [cli.ask("stack", "export", "--stack", stack.name).encode()])
    word, file = (machine.pulumi_environment().get(variable) for variable in STACK_VARIABLES)
    if word is not None or file is not None:
        yield Part("passphrase", [word.encode() if word is not None else Path(str(file)).read_bytes()])


def _passphrase(file: Path | None, confirm: bool) -> str:
    """From the file, the environment or the terminal; never from the command line, which others can see.

    Raises:
        CairnError: it is too short, or typed differently twice.
    """
    found = file.read_text().strip() if file else os.environ.get(ENV_PASSPHRASE, "")
    if not found:
        found = getpass.getpass("passphrase of the backup: ")
        if confirm and getpass.getpass("once more: ") != found:
            raise CairnError("the two passphrases differ")
    if len(found) < SHORTEST:
        raise CairnError(f"the backup's passphrase has to have at least {SHORTEST} characters: it opens every secret")
    return found


def _wait_healthy(client: Client) -> None:
    deadline = time.monotonic() + HEALTHY_S
    while (problem := _sick(client)) is not None:
        if time.monotonic() > deadline:
            raise CairnError(f"restored, but after {HEALTHY_S:.0f} s not healthy: {problem}; see `cairn status`")
        time.sleep(1)


def _sick(client: Client) -> str | None:
    try:
        services = client.status()["services"]
    except CairnError as error:
        return str(error)
    return ", ".join(each["name"] for each in services if not each["healthy"]) or None


def _say(line: str) -> None:
    console.print(line, highlight=False)
