"""The set-up's steps, a module each; `all_steps` says which, in which order."""

from toolchain.machine import Machine
from toolchain.setup import base_image, docker_engine, golang, plugins, pulumi_cli, versitygw, virtualenv
from toolchain.shell import Shell
from toolchain.steps import Step


def all_steps(machine: Machine, shell: Shell) -> list[Step]:
    """Everything that `make up` and `make test` need on this machine."""
    return [
        virtualenv.step(machine, shell),
        docker_engine.step(machine, shell),
        golang.step(machine, shell),
        pulumi_cli.step(machine, shell),
        versitygw.step(machine, shell),
        base_image.step(machine, shell),
        *plugins.steps(machine, shell),
    ]
