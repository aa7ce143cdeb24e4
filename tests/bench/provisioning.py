"""`pulumi up` beside `docker compose up` of the same containers: made, and with nothing to do. Needs no stack."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.bench import measure
from tests.support.checkout import make_checkout
from tests.support.environment import ROOT
from toolchain.machine import Machine

COUNTS = (10, 50)
ROUNDS = 5
IMAGE = "cairn-base:latest"
COMMAND = ("sleep", "infinity")
MEMORY_MIB = 64
PROGRAM = """
import pulumi
import pulumi_docker as docker

name = pulumi.get_stack()
network = docker.Network("network", name=f"{name}-own", labels=[{"label": "bench", "value": name}])
for i in range(@COUNT@):
    docker.Container(
        f"c{i}",
        name=f"{name}-c{i}",
        image="@IMAGE@",
        command=["sleep", "infinity"],
        memory=@MEMORY@,
        init=True,
        labels=[{"label": "bench", "value": name}],
        networks_advanced=[{"name": network.name}],
    )
"""


@dataclass(frozen=True)
class Tool:
    """One of the two, with its commands for the same containers."""

    up: Sequence[str]
    down: Sequence[str]
    environment: Mapping[str, str]

    def run(self, command: Sequence[str]) -> float:
        """Its seconds."""
        start = time.monotonic()
        done = subprocess.run(command, env=dict(self.environment), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}\n{done.stderr}")
        return time.monotonic() - start


def run(say: Callable[[str], None]) -> None:
    """Both in turn for each number of containers; what is made is removed before the next.

    Beside an `up` with nothing to do stands one of a program that declares nothing: what Pulumi and Python take anyway.
    """
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder, _tools(Path(folder), count) as tools:
            idle: dict[str, list[float]] = {name: [] for name in tools}
            contenders = {name: _made(tool, idle[name]) for name, tool in tools.items()}
            nothing = _pulumi(Path(folder) / "nothing", f"bench{os.urandom(3).hex()}", "import pulumi\n")
            contenders["nothing"] = partial(nothing.run, nothing.up)
            made = measure.alternate(contenders, ROUNDS, warm_up=1)
            of_nothing = made.pop("nothing")
            say(measure.table(f"`up` of {count} containers", made))
            beside = {
                "made by pulumi": made["pulumi up"],
                "pulumi up again": idle["pulumi up"][1:],
                "pulumi up of a program that declares nothing": of_nothing,
            }
            say(measure.table(f"`up` of {count} containers with nothing to do", beside))


def _made(tool: Tool, idle: list[float]) -> measure.Measure:
    def once() -> float:
        try:
            seconds = tool.run(tool.up)
            idle.append(tool.run(tool.up))
        finally:
            tool.run(tool.down)
        return seconds

    return once


@contextmanager
def _tools(folder: Path, count: int) -> Iterator[dict[str, Tool]]:
    name = f"bench{os.urandom(3).hex()}"
    program = PROGRAM
    for word, value in {"COUNT": str(count), "IMAGE": IMAGE, "MEMORY": str(MEMORY_MIB)}.items():
        program = program.replace(f"@{word}@", value)
    yield {"docker compose up": _compose(folder, name, count), "pulumi up": _pulumi(folder / "checkout", name, program)}


def _compose(folder: Path, name: str, count: int) -> Tool:
    service = {"image": IMAGE, "command": [*COMMAND], "mem_limit": f"{MEMORY_MIB}m", "init": True}
    services = {f"c{i}": service | {"container_name": f"{name}-d{i}"} for i in range(count)}
    file = folder / "compose.json"  # JSON is YAML
    file.write_text(json.dumps({"services": services}))
    machine = Machine(ROOT, dict(os.environ))
    program = machine.tools / "compose" / "docker-compose"
    base = [str(program), "--project-name", name, "--file", str(file)]
    up, down = [*base, "up", "--detach", "--quiet-pull"], [*base, "down", "--timeout", "0"]
    return Tool(up, down, machine.environ)


def _pulumi(folder: Path, name: str, program: str) -> Tool:
    cli = make_checkout(folder, name, program, "config: {}\n")
    cli.select()
    options = ["--yes", "--skip-preview", *cli.options()]
    return Tool(cli.command("up", *options), cli.command("destroy", *options), cli.machine.pulumi_environment())
