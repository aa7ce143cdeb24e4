"""generation, ifGenerationMatch and their kin, checked against the object as the store has it.

A write repeats the check inside the store with If-Match on the ETag (or If-None-Match: * for "must not exist"), so two
writers that both saw the same generation can't both win.
"""

from collections.abc import Mapping
from typing import Final

from workloads.api.storage.errors import StorageError
from workloads.api.storage.resource import StoredObject

_NAMES: Final = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")


def present(params: Mapping[str, str]) -> bool:
    """Whether the request has any precondition."""
    return "generation" in params or any(f"if{name}" in params for name in _NAMES)


def check(params: Mapping[str, str], stored: StoredObject | None, *, reading: bool = False, prefix: str = "if") -> None:
    """Raise what the preconditions demand: 404 another generation, 412 not met, 304 not modified (reads).

    Args:
        prefix: "if" for the object itself, "ifSource" for the source of a copy.
    """
    named = "sourceGeneration" if prefix == "ifSource" else "generation"
    generation = stored.generation if stored else 0
    metageneration = stored.metageneration if stored else 0
    if named in params and _number(params, named) != generation:
        raise StorageError(404, f"No such object: generation {params[named]} is not there, only the newest is kept.")
    for name, current in (("Generation", generation), ("Metageneration", metageneration)):
        match, other = f"{prefix}{name}Match", f"{prefix}{name}NotMatch"
        if match in params and _number(params, match) != current:
            raise StorageError(412, f"{match}={params[match]} does not hold: it is {current}.")
        if other in params and _number(params, other) == current:
            raise StorageError(304 if reading else 412, f"{other}={params[other]} does not hold.")


def guard(params: Mapping[str, str], stored: StoredObject | None) -> dict[str, str]:
    """Headers that make the store repeat the check of the generation at the moment of the write."""
    if not present(params):
        return {}
    if stored is None:
        return {"If-None-Match": "*"}
    return {"If-Match": f'"{stored.etag}"'} if stored.etag else {}


def _number(params: Mapping[str, str], name: str) -> int:
    try:
        return int(params[name])
    except ValueError:
        raise StorageError(400, f"{name} must be a number, not '{params[name]}'.") from None
