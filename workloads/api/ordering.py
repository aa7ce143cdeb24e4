"""order_by of lists: "create_time desc, display_name". Used by crud.py."""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor

from workloads.api import paths
from workloads.api.errors import invalid

Rows = list[dict[str, Any]]


def _part(text: str, about: Descriptor) -> tuple[paths.Path, bool]:
    name, *direction = text.split()
    if direction not in ([], ["asc"], ["desc"]):
        raise invalid(f"orderBy {text!r} is wrong: after the field stands asc, desc or nothing.")
    try:
        return paths.resolve(about, name), direction == ["desc"]
    except paths.UnknownPath as error:
        raise invalid(f"orderBy is wrong: {error}.") from error


def parse(text: str, about: Descriptor) -> Callable[[Rows], Rows]:
    """The order as a sort of canonical messages; rows without the field come first, as the empty value does.

    Raises:
        ApiError: INVALID_ARGUMENT; says what is wrong with it.
    """
    if not all(part.strip() for part in text.split(",")):
        raise invalid(f"orderBy {text!r} is wrong: write fields, commas between them, each followed by asc or desc.")
    parts = [_part(part, about) for part in text.split(",")]

    def sort(rows: Rows) -> Rows:
        for path, descending in reversed(parts):  # sorts are stable: the last key first
            rows = sorted(rows, key=lambda row: _key(path.get(row)), reverse=descending)
        return rows

    return sort


def _key(value: Any) -> tuple[bool, Any]:
    if value is None:
        return (False, "")
    return (True, str(value) if isinstance(value, (dict, list)) else value)
