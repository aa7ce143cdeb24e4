"""Property values between Pulumi's wire format and Python.

Called by the servicer for every request and answer. On the wire a secret is an object with a signature, and a value
that is not known before the deployment is a certain string; here they are `Secret` and `UNKNOWN`, so that no code
downstream meets either by accident.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as WireValue

# Pulumi's protocol, sdk/proto: how strongly typed values are told from plain objects.
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN_SIGNATURES: Final = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

Properties = dict[str, Any]


class Unknown(Enum):
    """The type of UNKNOWN: what the deployment still has to find out."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN


@dataclass(frozen=True)
class Secret:
    """A value that the engine encrypts in the state; its text never shows in a representation."""

    value: Any = field(repr=False)


def from_struct(struct: Struct) -> Properties:
    """Read a message's properties; nulls are left out, as absent and null mean the same to Pulumi."""
    read = {name: _from_wire(value) for name, value in struct.fields.items()}
    return {name: value for name, value in read.items() if value is not None}


def to_struct(properties: Mapping[str, Any]) -> Struct:
    """Write properties for a message."""
    struct = Struct()
    struct.update({name: _to_wire(value) for name, value in properties.items() if value is not None})
    return struct


def plain(value: Any) -> Any:
    """The value without its secret marks, and without the notes (`__defaults`) of bridged providers."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if not key.startswith("__")}
    return value


def unmarked(value: Any) -> Any:
    """The value without its secret marks; every key stays (a ConfigMap may well hold `__init__.py`)."""
    if isinstance(value, Secret):
        return unmarked(value.value)
    if isinstance(value, list):
        return [unmarked(item) for item in value]
    if isinstance(value, dict):
        return {key: unmarked(item) for key, item in value.items()}
    return value


def has_secret(value: Any) -> bool:
    """Whether the value or any part of it is secret."""
    return any(True for _ in secret_parts(value))


def secret_parts(value: Any) -> Iterator[Any]:
    """Every secret within the value, unwrapped."""
    if isinstance(value, Secret):
        yield unmarked(value.value)
    for item in _children(value):
        yield from secret_parts(item)


def has_unknown(value: Any) -> bool:
    """Whether the value or any part of it is not known yet."""
    return value is UNKNOWN or any(has_unknown(item) for item in _children(value))


def strings(value: Any) -> Iterator[str]:
    """Every string within a value."""
    if isinstance(value, str):
        yield value
    for item in _children(value):
        yield from strings(item)


def map_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change every leaf of a value, keeping its form."""
    if isinstance(value, list):
        return [map_values(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_values(item, change) for key, item in value.items()}
    return change(value)


def _children(value: Any) -> list[Any]:
    if isinstance(value, Secret):
        return [value.value]
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _from_wire(value: WireValue) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_object(value.struct_value)
    if kind == "list_value":
        return [_from_wire(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "string_value":
        return UNKNOWN if value.string_value in UNKNOWN_SIGNATURES else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _from_object(struct: Struct) -> Any:
    if SIGNATURE not in struct.fields:
        return from_struct(struct)
    signature = struct.fields[SIGNATURE].string_value
    if signature == SECRET_SIGNATURE:
        return Secret(_from_wire(struct.fields["value"]))
    raise ValueError(f"a value of a kind that these plugins don't take (assets, archives, resources): {signature}")


def _to_wire(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET_SIGNATURE, "value": _to_wire(value.value)}
    if value is UNKNOWN:
        return UNKNOWN_STRING
    if isinstance(value, Mapping):
        return {key: _to_wire(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_to_wire(item) for item in value]
    return value
