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
from infra.backends.base import Backend
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
from tests.infra.program import Declared, backend, declare, kubernetes

Make = Callable[[Backend], pulumi.ComponentResource]
BACKENDS: Mapping[str, Callable[[], Backend]] = {"docker": backend, "kubernetes": kubernetes}
TOP = ("docker:index/network:Network", "pulumi:providers:kubernetes", "kubernetes:")  # what the stack has once
KEY = "k" * 40
SHARED_MODULES = {"images", "links"}
KINDS: Mapping[str, tuple[str, Make]] = {
    "api": (tokens.API, lambda on: Api("it", ApiArgs("{}", DATABASE, STORE, KEY, KEY), on)),
    "database": (tokens.DATABASE, lambda on: Database("it", DatabaseArgs(), on)),
    "endpoint": (tokens.ENDPOINT, lambda on: Endpoint("it", endpoint_args(model()), on)),
    "gateway": (tokens.GATEWAY, lambda on: Gateway("it", GatewayArgs("test", KEY), on)),
    "job_runner": (
        tokens.JOB_RUNNER,
        lambda on: JobRunner("it", JobRunnerArgs("{}", DATABASE, STORE, KEY, KEY), on),
    ),
    "model_registry": (
        tokens.MODEL_REGISTRY,
        lambda on: ModelRegistry("it", ModelRegistryArgs("http://tracking:5000", SERVING), on),
    ),
    "object_store": (tokens.OBJECT_STORE, lambda on: ObjectStore("it", ObjectStoreArgs(("a",)), on)),
    "tracking": (
        tokens.TRACKING,
        lambda on: Tracking("it", TrackingArgs("test", DATABASE, STORE, "s3://b/x", KEY), on),
    ),
}


def module_of(kind: str) -> ModuleType:
    """A kind's module."""
    return importlib.import_module(f"infra.kinds.{kind}")


def alone(kind: str, backend_name: str) -> Declared:
    """The kind in a program of its own, with its public attributes as outputs."""

    def program() -> dict[str, Any]:
        made = KINDS[kind][1](BACKENDS[backend_name]())
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


@pytest.mark.parametrize("backend_name", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_stands_alone(kind: str, backend_name: str) -> None:
    """In a program of its own the kind has its token, and all but what a stack has once are below it."""
    declared = alone(kind, backend_name)
    types = [urn.split("::")[2].removeprefix("pulumi:pulumi:Stack$") for urn in declared.resources]
    token = KINDS[kind][0]
    assert token in types
    outside = {each for each in types if each.split("$")[0] not in (token, "pulumi:pulumi:Stack")}
    assert all(each.startswith(TOP) for each in outside), outside


@pytest.mark.parametrize("backend_name", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_set(kind: str, backend_name: str) -> None:
    """Every attribute that the class announces is there and has a value."""
    assert None not in alone(kind, backend_name).outputs.values()


@pytest.mark.parametrize("backend_name", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_registers_its_outputs_once_and_last(kind: str, backend_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`register_outputs` is called exactly once, after the last child was declared."""
    events: list[str] = []
    original = pulumi.Resource.__init__

    def made(self: pulumi.Resource, *args: Any, **kwargs: Any) -> None:
        events.append("child")
        original(self, *args, **kwargs)

    monkeypatch.setattr(pulumi.Resource, "__init__", made)
    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", lambda self, outputs: events.append("outputs"))

    def program() -> dict[str, Any]:
        KINDS[kind][1](BACKENDS[backend_name]())
        return {}

    declare(program)
    assert events.count("outputs") == 1
    assert events[-1] == "outputs"


@pytest.mark.parametrize("backend_name", BACKENDS)
@pytest.mark.parametrize("kind", ["object_store", "database"])
def test_credentials_of_its_own(kind: str, backend_name: str) -> None:
    """Engines with credentials make their own, and show them to nobody but through secret outputs."""
    declared = alone(kind, backend_name)
    assert declared.of_type("random:index/randomPassword:RandomPassword")
    assert all(declared.secrets[name] for name in declared.secrets if name.endswith("_key"))


@pytest.mark.parametrize("backend_name", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_previews_know_everything_that_policies_check(kind: str, backend_name: str) -> None:
    """In a preview images, environment and limits are known, or the policies would see nothing."""
    declared = declare(lambda: {"made": KINDS[kind][1](BACKENDS[backend_name]()).urn}, preview=True)
    for container in declared.of_type("docker:index/container:Container").values():
        assert container["image"]
        assert container["memory"]
    for template in declared.pods().values():
        (container,) = template["spec"]["containers"]
        assert container["image"]
        assert container["resources"]["limits"]["memory"]
        assert all(isinstance(each["value"], str) for each in container.get("env", ()))
