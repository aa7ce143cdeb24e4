"""Property tables: which inputs a resource type has, and what a change of each means.

Each resource module declares one table; checking inputs and comparing old with new read nothing else. The facts come
from the official provider's schema.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, has_unknown, plain


class Kind(Enum):
    """The type of an input."""

    STRING = "a string"
    INTEGER = "an integer"
    BOOLEAN = "a boolean"
    STRINGS = "a list of strings"
    MAP = "a map of strings"
    OBJECT = "an object"
    OBJECTS = "a list of objects"


@dataclass(frozen=True)
class Property:
    """One input.

    `replaces`: a change needs a new resource; `removal_replaces`: only taking the input away does. `default` is what
    the engine or the official provider takes when the input is absent, so that writing it out is no change. `ordered`
    says that the order of a list means something. `secret` names the nested fields that always are, `uncompared` those
    that make no difference.
    """

    kind: Kind
    replaces: bool = True
    removal_replaces: bool = False
    required: bool = False
    default: Any = None
    ordered: bool = False
    fields: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    field_defaults: Mapping[str, Any] | None = None
    secret: frozenset[str] = frozenset()
    uncompared: frozenset[str] = frozenset()


Table = Mapping[str, Property]


@dataclass(frozen=True)
class Problem:
    """An input that can't be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Change:
    """One input that differs; `kind` is add, delete or update."""

    name: str
    kind: str
    replaces: bool


def problems(table: Table, inputs: Properties) -> list[Problem]:
    """Everything that is wrong with the inputs; unknown values pass."""
    found = [Problem(name, "this input is required") for name, p in table.items() if p.required and name not in inputs]
    for name, value in inputs.items():
        if name in table:
            reason = _misfit(table[name], plain(value))
            found += [Problem(name, reason)] if reason else []
        elif not name.startswith("__"):
            found.append(Problem(name, f"there is no such input; there are: {', '.join(sorted(table))}"))
    return found


def mark_secrets(table: Table, inputs: Properties) -> Properties:
    """Mark the nested fields that are secret by their nature (contents of uploaded files, passwords)."""
    return {name: _marked(table[name].secret, value) if name in table else value for name, value in inputs.items()}


def changes(table: Table, old: Properties, new: Properties, ignored: frozenset[str] = frozenset()) -> list[Change]:
    """What differs between the inputs of the state and the program's."""
    return [
        Change(name, _change_kind(old.get(name), new.get(name)), _replaces(table[name], new.get(name)))
        for name in table
        if name not in ignored and not same(table[name], old.get(name), new.get(name))
    ]


def kept_where_same(table: Table, inputs: Properties, actual: Properties) -> Properties:
    """What was found, in the words of the inputs wherever it means the same (order, units, defaults written out)."""
    kept = {name: value for name, value in inputs.items() if same(table[name], value, actual.get(name))}
    return {
        **{name: value for name, value in actual.items() if name in kept or not same(table[name], None, value)},
        **kept,
    }


def same(prop: Property, old: Any, new: Any) -> bool:
    """Whether two values of an input mean the same; an unknown one may become anything."""
    if has_unknown(old) or has_unknown(new):
        return False
    return bool(canonical(prop, old) == canonical(prop, new))


def canonical(prop: Property, value: Any) -> Any:
    """A form of the value that is equal for equal meanings."""
    value = plain(value)
    if value is None:
        value = prop.default
    if prop.kind in (Kind.STRING, Kind.INTEGER, Kind.BOOLEAN):
        return value
    if prop.kind is Kind.MAP:
        return value or None
    if prop.kind is Kind.OBJECT and value:
        value = {key: item for key, item in value.items() if key not in prop.uncompared}
    return _canonical(value, prop.ordered, prop.field_defaults or {}) or None


def _canonical(value: Any, ordered: bool, defaults: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        items = [_canonical(item, ordered, defaults) for item in value]
        return items if ordered else sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, dict):
        items_by_key = {key: _canonical(item, ordered, {}) for key, item in value.items()}
        return {key: item for key, item in items_by_key.items() if item and item != defaults.get(key)}
    return value


def _replaces(prop: Property, new: Any) -> bool:
    return prop.replaces or (prop.removal_replaces and not has_unknown(new) and not canonical(prop, new))


def _change_kind(old: Any, new: Any) -> str:
    if old is None:
        return "add"
    return "delete" if new is None else "update"


def _misfit(prop: Property, value: Any) -> str:
    if value is UNKNOWN or _fits(prop.kind, value):
        return _misfit_fields(prop, value)
    return f"this has to be {prop.kind.value}, not {type(value).__name__}"


def _fits(kind: Kind, value: Any) -> bool:
    if kind is Kind.STRING:
        return isinstance(value, str)
    if kind is Kind.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is Kind.BOOLEAN:
        return isinstance(value, bool)
    if kind is Kind.STRINGS:
        return isinstance(value, list) and all(item is UNKNOWN or isinstance(item, str) for item in value)
    if kind is Kind.OBJECTS:
        return isinstance(value, list) and all(item is UNKNOWN or isinstance(item, dict) for item in value)
    return isinstance(value, dict)


def _misfit_fields(prop: Property, value: Any) -> str:
    for item in value if prop.kind is Kind.OBJECTS and isinstance(value, list) else [value]:
        if prop.fields and isinstance(item, dict):
            surplus, missing = item.keys() - prop.fields, prop.needs - item.keys()
            if surplus or missing:
                return f"its fields are {', '.join(sorted(prop.fields))}; " + "; ".join(
                    [f"there is no {name}" for name in sorted(surplus)]
                    + [f"{name} is missing" for name in sorted(missing)]
                )
    return ""


def _marked(names: frozenset[str], value: Any) -> Any:
    if isinstance(value, list):
        return [_marked(names, item) for item in value]
    if isinstance(value, dict) and names:
        return {
            key: Secret(item) if key in names and not isinstance(item, Secret) else item for key, item in value.items()
        }
    return value
