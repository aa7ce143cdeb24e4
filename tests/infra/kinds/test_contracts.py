"""What holds for every kind: its shape, its type token, its children, its outputs. New kinds are added to KINDS."""

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pulumi
import pytest

from infra import kinds, tokens
from infra.backends.docker import DockerBackend
from infra.kinds.api import Api, ApiArgs
from infra.kinds.database import Database, DatabaseArgs
from infra.kinds.endpoint import Endpoint
from infra.kinds.gateway import Gateway, GatewayArgs
from infra.kinds.images import SERVING
from infra.kinds.job_runner import JobRunner, JobRunnerArgs
from infra.kinds.model_registry import ModelRegistry, ModelRegistryArgs
from infra.kinds.object_store import ObjectStore, ObjectStoreArgs
from infra.kinds.tracking import Tracking, TrackingArgs
from tests.infra.kinds.test_plans import DATABASE, STORE, endpoint_args, model
from tests.infra.program import Declared, backend, declare

Make = Callable[[DockerBackend], pulumi.ComponentResource]
KEY = "k" * 40
SHARED_MODULES = {"images", "links"}
KINDS: Mapping[str, tuple[str, Make]] = {
    "api": (tokens.API, lambda docker: Api("it", ApiArgs("{}", DATABASE, STORE, KEY), docker)),
    "database": (tokens.DATABASE, lambda docker: Database("it", DatabaseArgs(), docker)),
    "endpoint": (tokens.ENDPOINT, lambda docker: Endpoint("it", endpoint_args(model()), docker)),
    "gateway": (tokens.GATEWAY, lambda docker: Gateway("it", GatewayArgs("test", KEY), docker)),
    "job_runner": (
        tokens.JOB_RUNNER,
        lambda docker: JobRunner("it", JobRunnerArgs("{}", DATABASE, STORE, KEY), docker),
    ),
    "model_registry": (
        tokens.MODEL_REGISTRY,
        lambda docker: ModelRegistry("it", ModelRegistryArgs("http://tracking:5000", SERVING), docker),
    ),
    "object_store": (tokens.OBJECT_STORE, lambda docker: ObjectStore("it", ObjectStoreArgs(("a",)), docker)),
    "tracking": (
        tokens.TRACKING,
        lambda docker: Tracking("it", TrackingArgs("test", DATABASE, STORE, "s3://b/x", KEY), docker),
    ),
}


def module_of(kind: str) -> ModuleType:
    """A kind's module."""
    return importlib.import_module(f"infra.kinds.{kind}")


def alone(kind: str) -> Declared:
    """The kind in a program of its own, with its public attributes as outputs."""

    def program() -> dict[str, Any]:
        made = KINDS[kind][1](backend())
        return {name: getattr(made, name) for name in type(made).__annotations__}

    return declare(program)


def test_every_kind_is_here() -> None:
    """No module of infra.kinds escapes these tests."""
    assert {module.name for module in pkgutil.iter_modules(kinds.__path__)} - SHARED_MODULES == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_args_are_frozen_and_documented(kind: str) -> None:
    """`XArgs` is a frozen dataclass with a docstring; the module says what the kind is."""
    module = module_of(kind)
    (args,) = [
        each for name, each in vars(module).items() if name.endswith("Args") and each.__module__ == module.__name__
    ]
    assert dataclasses.is_dataclass(args)
    assert vars(args)["__dataclass_params__"].frozen
    assert module.__doc__
    assert args.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_constructor(kind: str) -> None:
    """Every component takes (name, args, backend, opts=None)."""
    module = module_of(kind)
    classes = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    (component,) = [each for each in classes if issubclass(each, pulumi.ComponentResource)]
    assert list(inspect.signature(component).parameters) == ["name", "args", "backend", "opts"]
    assert inspect.signature(component).parameters["opts"].default is None


@pytest.mark.parametrize("kind", KINDS)
def test_stands_alone(kind: str) -> None:
    """In a program of its own the kind has its token, and all but the stack's networks are below it."""
    declared = alone(kind)
    types = [urn.split("::")[2].removeprefix("pulumi:pulumi:Stack$") for urn in declared.resources]
    token = KINDS[kind][0]
    assert token in types
    assert {each.split("$")[0] for each in types} <= {token, "pulumi:pulumi:Stack", "docker:index/network:Network"}


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_set(kind: str) -> None:
    """Every attribute that the class announces is there and has a value."""
    assert None not in alone(kind).outputs.values()


@pytest.mark.parametrize("kind", KINDS)
def test_registers_its_outputs_once_and_last(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`register_outputs` is called exactly once, after the last child was declared."""
    events: list[str] = []
    original = pulumi.Resource.__init__

    def made(self: pulumi.Resource, *args: Any, **kwargs: Any) -> None:
        events.append("child")
        original(self, *args, **kwargs)

    monkeypatch.setattr(pulumi.Resource, "__init__", made)
    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", lambda self, outputs: events.append("outputs"))

    def program() -> dict[str, Any]:
        KINDS[kind][1](backend())
        return {}

    declare(program)
    assert events.count("outputs") == 1
    assert events[-1] == "outputs"


@pytest.mark.parametrize("kind", ["object_store", "database"])
def test_credentials_of_its_own(kind: str) -> None:
    """Engines with credentials make their own, and show them to nobody but through secret outputs."""
    declared = alone(kind)
    assert declared.of_type("random:index/randomPassword:RandomPassword")
    assert all(declared.secrets[name] for name in declared.secrets if name.endswith("_key"))


@pytest.mark.parametrize("kind", KINDS)
def test_previews_know_everything_that_policies_check(kind: str) -> None:
    """In a preview images, environment and mounts are known, or the policies would see nothing."""
    declared = declare(lambda: {"made": KINDS[kind][1](backend()).urn}, preview=True)
    for container in declared.of_type("docker:index/container:Container").values():
        assert container["image"]
        assert container["memory"]
