"""Vertex model ids and MLflow model names. An MLflow name that can't be an id gets one derived from it."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from workloads.registry.errors import Invalid, NotFound

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NEW_ID: Final = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_DERIVED: Final = re.compile(r".*-[0-9a-f]{8}")
_ALIAS: Final = re.compile(r"[a-z]([a-zA-Z0-9-]{0,126}[a-z0-9])?")
_MLFLOW_ALIAS: Final = re.compile(r"latest|v\d+", re.IGNORECASE)


@dataclass(frozen=True)
class ModelName:
    """A model's resource name, taken apart.

    Attributes:
        version: a version id, an alias, or "" for the default version.
    """

    id: str
    version: str


def parse(name: str, parent: str) -> ModelName:
    """projects/…/models/<id>[@version or alias], or just the id.

    Raises:
        NotFound: it is a name of another place.
    """
    base, _, version = name.removeprefix(f"{parent}/models/").partition("@")
    if not _ID.fullmatch(base):
        raise NotFound(f"{name} is not the name of a model of this stack ({parent}/models/<id>)")
    return ModelName(base, version)


def model_id(mlflow_name: str) -> str:
    """The Vertex id of a registered model: its name, or where that can't be one, an id that stays the same."""
    if _ID.fullmatch(mlflow_name):
        return mlflow_name
    slug = re.sub(r"[^a-z0-9]+", "-", mlflow_name.lower()).strip("-")[:50] or "model"
    return f"{slug}-{hashlib.sha256(mlflow_name.encode()).hexdigest()[:8]}"


def may_be_derived(identifier: str) -> bool:
    """Whether the id may stand for a registered model of another name."""
    return bool(_DERIVED.fullmatch(identifier))


def check_new(identifier: str) -> None:
    """Vertex' rule for an id that a user chooses.

    Raises:
        Invalid: with the rule.
    """
    if not _NEW_ID.fullmatch(identifier):
        rule = "up to 63 lower-case letters, digits, '_' and '-', not beginning with a digit or '-'"
        raise Invalid(f"the model id {identifier!r} can't be one: use {rule}")


def check_alias(alias: str) -> None:
    """Vertex' rule for an alias, and what MLflow keeps for itself.

    Raises:
        Invalid: with the rule.
    """
    if not _ALIAS.fullmatch(alias):
        rule = "up to 128 letters, digits and '-', beginning with a lower-case letter, not ending with '-'"
        raise Invalid(f"the version alias {alias!r} can't be one: use {rule}")
    if _MLFLOW_ALIAS.fullmatch(alias):
        raise Invalid(f"the version alias {alias!r} is reserved by MLflow, which keeps the registry; choose another")
