"""The set-up's steps, a module each; `all_steps` and `steps_for_tests` say which, in which order."""

from toolchain.machine import Machine
from toolchain.setup import (
    base_image,
    compose,
    docker_engine,
    golang,
    kubernetes,
    plugins,
    pulumi_cli,
    versitygw,
    virtualenv,
)
from toolchain.shell import Shell
from toolchain.steps import Step


def all_steps(machine: Machine, shell: Shell) -> list[Step]:
    """Everything that `make up` needs on this machine."""
    return [
        virtualenv.step(machine, shell),
        docker_engine.step(machine, shell),
        golang.step(machine, shell),
        pulumi_cli.step(machine, shell),
        versitygw.step(machine, shell),
        base_image.step(machine, shell),
        *plugins.steps(machine, shell),
    ]


def steps_for_cluster(machine: Machine, shell: Shell) -> list[Step]:
    """Everything that the project's own cluster needs."""
    return [virtualenv.step(machine, shell), golang.step(machine, shell), *kubernetes.steps(machine, shell)]


def steps_for_tests(machine: Machine, shell: Shell) -> list[Step]:
    """Everything that `make test` needs; the cluster's programs where its tests can have a cluster of ours."""
    cluster = kubernetes.steps(machine, shell) if kubernetes.usable(machine) else []
    return [*all_steps(machine, shell), compose.step(machine, shell), *cluster]
