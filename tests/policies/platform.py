"""The whole platform as each backend declares it, under mocks: what the rules have to accept."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from infra import blueprint
from infra.backends.base import Backend
from infra.backends.kubernetes import KubernetesBackend
from infra.cluster_settings import Cluster
from infra.settings import Settings, parse
from tests.infra.program import backend as docker_backend
from tests.infra.program import declare
from tests.infra.test_settings import GOOD, as_pulumi
from tests.support.environment import ROOT

STACK = "test"


@dataclass(frozen=True)
class Declared:
    """A declared resource, as policies see it."""

    type: str
    name: str
    props: dict[str, Any]


def _docker(settings: Settings) -> Backend:
    return docker_backend()


def _kubernetes(settings: Settings) -> Backend:
    cluster = settings.kubernetes or Cluster(registry="127.0.0.1:5001/cairn", seccomp_profile="cairn/workloads.json")
    return KubernetesBackend(STACK, cluster, capacity=settings.capacity, accelerators=settings.accelerators)


BACKENDS: dict[str, Callable[[Settings], Backend]] = {"docker": _docker, "kubernetes": _kubernetes}


STACKS = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))


@cache
def declared(backend: str) -> tuple[Declared, ...]:
    """Every resource of a stack with the good settings, a declared endpoint among them."""
    return _declared(parse(as_pulumi({**GOOD, "accelerators": {}} if backend == "docker" else GOOD)), backend)


def committed(stack: Path) -> tuple[Declared, ...]:
    """Every resource of a stack of this repository."""
    config = yaml.safe_load(stack.read_text(encoding="utf-8"))["config"]
    settings = parse(as_pulumi({key.removeprefix("cairn:"): value for key, value in config.items()}))
    return _declared(settings, settings.backend)


def _declared(settings: Settings, backend: str) -> tuple[Declared, ...]:
    made = declare(lambda: vars(blueprint.build(STACK, settings, BACKENDS[backend](settings))))
    return tuple(
        Declared(urn.split("::")[2].split("$")[-1], urn.split("::")[3], props) for urn, props in made.resources.items()
    )


def declared_object(kind: str, name: str) -> dict[str, Any]:
    """A copy of an object that the Kubernetes backend declares, such as the StatefulSet "api"."""
    (found,) = [
        each.props
        for each in declared("kubernetes")
        if each.type.endswith(f":{kind}") and each.type.startswith("kubernetes:") and each.name == name
    ]
    return deepcopy(found)
