"""Secrets by reference: a variable whose value is `secret://NAME/versions/VERSION` names a file with the value.

The message, the row and the environment hold the reference or the file's path only; the value is resolved by the
controllers when a job starts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workloads import contract
from workloads.plans.errors import InvalidWish

SCHEME: Final = "secret://"
NAME: Final = r"[A-Za-z0-9_-]{1,255}"
VERSION: Final = r"latest|[1-9][0-9]{0,8}"
_REFERENCE: Final = re.compile(rf"{SCHEME}({NAME})(?:/versions/({VERSION}))?")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")


@dataclass(frozen=True)
class Reference:
    """A version of a secret."""

    name: str
    version: str

    @property
    def path(self) -> str:
        """As Secret Manager names it, below the project."""
        return f"secrets/{self.name}/versions/{self.version}"


def reference(variable: str, value: str) -> Reference | None:
    """What a variable's value refers to; None for an ordinary value.

    Raises:
        InvalidWish: it begins like a reference and is none.
    """
    if not value.startswith(SCHEME):
        return None
    match = _REFERENCE.fullmatch(value)
    if match is None:
        raise InvalidWish(
            f"the variable {variable} refers to {value[:200]!r}: write {SCHEME}NAME/versions/VERSION, "
            'where VERSION is a number or "latest"'
        )
    if not _VARIABLE.fullmatch(variable):
        raise InvalidWish(f"the variable {variable[:200]!r} refers to a secret: its name must be letters, digits and _")
    return Reference(match[1], match[2] or "latest")


def references(env: Mapping[str, str]) -> dict[str, Reference]:
    """From variables to what they refer to, those that do.

    Raises:
        InvalidWish: see `reference`.
    """
    found = {name: reference(name, value) for name, value in env.items()}
    return {name: each for name, each in found.items() if each}


def of_job(job_spec: Mapping[str, Any]) -> set[Reference]:
    """Every reference of a jobSpec's pools.

    Raises:
        InvalidWish: see `reference`.
    """
    entries = [
        variable
        for pool in job_spec.get("workerPoolSpecs") or []
        for kind in ("containerSpec", "pythonPackageSpec")
        for variable in (pool.get(kind) or {}).get("env", ())
    ]
    found = [reference(str(each.get("name", "")), str(each.get("value", ""))) for each in entries]
    return {each for each in found if each}


def deliver(env: Mapping[str, str], values: Mapping[Reference, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The variables with files' paths in place of references, and the files: path → value.

    Args:
        values: of every reference; one that is missing is an empty file, as when a plan is only checked.
    """
    found = references(env)
    paths = {name: f"{contract.SECRETS_DIR}/env_{name}" for name in found}
    return {**env, **paths}, {paths[name]: values.get(each, "") for name, each in found.items()}


def refuse(env: Mapping[str, str], what: str) -> None:
    """Where no secrets are delivered.

    Raises:
        InvalidWish: a variable refers to one.
    """
    for name in references(env):
        raise InvalidWish(f"{what} can't refer to a secret, its variable {name} does: jobs can")
