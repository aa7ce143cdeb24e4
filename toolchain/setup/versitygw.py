"""The S3 server versitygw, one static program for the engine's architecture, put into its image's build context."""

import shutil

from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import docker_engine, files, golang
from toolchain.shell import Shell
from toolchain.steps import Step

NAME = "versitygw"
PACKAGE = "github.com/versity/versitygw/cmd/versitygw"


def step(machine: Machine, shell: Shell) -> Step:
    """`workloads/object_store/bin/versitygw`, which git ignores."""
    module = machine.root / "toolchain" / "versitygw"
    program = machine.root / "workloads" / "object_store" / "bin" / "versitygw"
    stamp = machine.tools / "versitygw" / ".cairn"
    wanted = files.digest(module.iterdir(), versions.VERSITYGW)

    def done() -> str | None:
        return f"{program}" if program.exists() and files.stamped(stamp, wanted) else None

    def do() -> str:
        with files.scratch(machine.tools / "versitygw") as part:
            target = {"GOOS": "linux", "GOARCH": docker_engine.architecture(shell)}
            flags = f"-s -w -X main.Version={versions.VERSITYGW}"
            golang.build(machine, shell, "versitygw", module, PACKAGE, part / "versitygw", flags, target)
            program.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(part / "versitygw", program)
        files.write(stamp, wanted)
        return f"{versions.VERSITYGW} (built from its Go module)"

    return Step(NAME, done, do, needs=(golang.NAME, docker_engine.NAME))
