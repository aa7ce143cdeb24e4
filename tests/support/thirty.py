"""A stack of thirty resources on the Docker engine, whose runs are killed: what it declares, and what is there.

Containers hang on networks, volumes and passwords, and every fourth is replaced when the generation changes.
"""

import os
import random
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import docker

from tests.support.checkout import make_checkout
from toolchain.stack import commands
from toolchain.stack.cli import Cli
from workloads import contract

CONTAINERS: Final = 16
RESOURCES: Final = 30
PROGRAM: Final = """
import pathlib
import pulumi
import pulumi_docker as docker
import pulumi_random as random

STACK = pulumi.get_stack()
GENERATION = int(pathlib.Path(__file__).with_name("generation").read_text())
LABELS = {"cairn.stack": STACK, "cairn.managed-by": "pulumi"}


def labels(kind):
    return [kind(label=name, value=value) for name, value in LABELS.items()]


networks = [docker.Network(f"n{i}", name=f"{STACK}-n{i}", labels=labels(docker.NetworkLabelArgs)) for i in range(2)]
volumes = [docker.Volume(f"v{i}", name=f"{STACK}-v{i}", labels=labels(docker.VolumeLabelArgs)) for i in range(8)]
words = [random.RandomPassword(f"p{i}", length=16, special=False) for i in range(4)]
made = []
for i in range(16):
    generation = GENERATION if i % 4 == GENERATION % 4 else 0
    container = docker.Container(
        f"c{i}",
        name=f"{STACK}-c{i}",
        image="cairn-base:latest",
        command=["sleep", "infinity"],
        envs=[f"GENERATION={generation}"],
        labels=labels(docker.ContainerLabelArgs),
        networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=networks[i % 2].name)],
        volumes=[docker.ContainerVolumeArgs(volume_name=volumes[i % 8].name, container_path="/data")],
        uploads=[docker.ContainerUploadArgs(file="/etc/word", content=words[i % 4].result)],
        must_run=True,
        opts=pulumi.ResourceOptions(depends_on=made[i - 8 : i - 7] if i >= 8 else []),
    )
    made.append(container)
pulumi.export("apiEndpoint", "http://127.0.0.1:{port}")
"""


@dataclass
class Thirty:
    """The stack, the command that is killed, and the one that has to put everything right."""

    cli: Cli
    chance: random.Random
    generation: int = 0
    said: list[str] = field(default_factory=list)

    @classmethod
    def make(cls, folder: Path, port: int, chance: random.Random) -> "Thirty":
        """A checkout with this program; nothing is up yet."""
        stack = f"k{os.urandom(3).hex()}"
        cli = make_checkout(folder, stack, PROGRAM.replace("{port}", str(port)), "config: {}\n")
        made = cls(cli, chance)
        made.change()
        return made

    def change(self) -> None:
        """Another generation: the next `up` replaces four containers."""
        self.generation += 1
        (self.cli.machine.root / "infra" / "generation").write_text(str(self.generation))

    def up(self) -> float:
        """`make up`, which nobody attends; gives its seconds."""
        start = time.monotonic()
        self.said.clear()
        commands.up(self.cli, self.said.append, example=False)
        return time.monotonic() - start

    def down(self) -> None:
        """`make down`, which looks itself whether anything is left."""
        commands.down(self.cli, self.said.append, remove=True)

    def kill(self, command: str, after: float) -> bool:
        """Start plain Pulumi and kill it: by itself, or with all that it has started. False: it had ended before."""
        words = self.cli.command(command, "--yes", "--skip-preview", *self.cli.options())
        environment = self.cli.machine.pulumi_environment()
        silent = subprocess.DEVNULL
        with subprocess.Popen(words, env=environment, stdin=silent, stdout=silent, stderr=silent) as process:
            time.sleep(after)
            alive = process.poll() is None
            victims = [process.pid]
            if self.chance.random() < 0.5:
                victims += descendants(process.pid)
            for victim in victims:
                _kill(victim)
        return alive

    def wrong(self) -> list[str]:
        """What is not as declared: things that are missing, too many, stopped or old; a state that is not whole."""
        client = docker.from_env()
        label: dict[str, str | list[str] | bool] = {"label": f"{contract.LABEL_STACK}={self.cli.stack}"}
        running = {str(each.name): each for each in client.containers.list(filters=label)}
        there = {
            *(str(each.name) for each in client.containers.list(all=True, filters=label)),
            *(str(each.name) for each in client.volumes.list(filters=label)),
            *(str(each.name) for each in client.networks.list(filters=label)),
        }
        wanted = {f"{self.cli.stack}-{name}" for name in _names()}
        old = [name for name, each in running.items() if self._generation(name) not in each.attrs["Config"]["Env"]]
        stopped = {name for name in wanted if "-c" in name} - {*running}
        found = [f"missing {name}" for name in wanted - there] + [f"too many {name}" for name in there - wanted]
        found += [f"old {name}" for name in old] + [f"stopped {name}" for name in stopped]
        found += [f"unfinished {name}" for name in self.cli.unfinished()]
        resources = self.cli.resources()  # with the stack's own and two providers
        return found + ([f"{resources} resources in the state"] if resources != RESOURCES + 3 else [])

    def _generation(self, name: str) -> str:
        index = int(name.rpartition("-c")[2])
        return f"GENERATION={self.generation if index % 4 == self.generation % 4 else 0}"


def _names() -> list[str]:
    return [*(f"c{i}" for i in range(CONTAINERS)), *(f"v{i}" for i in range(8)), *(f"n{i}" for i in range(2))]


def descendants(process: int) -> list[int]:
    """The processes that it has started, and those that these have."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    wanted = [process]
    while wanted:
        found += (next_ones := children.get(wanted.pop(), []))
        wanted += next_ones
    return found


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return  # its parent's end was its own
