"""Field paths of a message type, as filters and orders name them: display_name, labels.team, job_spec.experiment.

Used by filters.py and crud.py. A path knows the type of its field, so times compare as times and a misspelt enum value
is an error rather than an empty list.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from workloads.api.errors import nearest
from workloads.api.vertex import messages

COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NUMBERS: Final = frozenset(
    {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT32,
     FieldDescriptor.CPPTYPE_UINT64, FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
)  # fmt: skip


class UnknownPath(Exception):
    """The message type has no such field."""


class BadValue(Exception):
    """The value does not fit the field's type, or the operator doesn't."""


def parse_time(text: str) -> datetime:
    """An RFC 3339 time; without a zone it is UTC.

    Raises:
        ValueError: it is none.
    """
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Path:
    """A field of a message type: its name as written, the keys that lead to it in JSON, and how to read its values."""

    name: str
    keys: tuple[str, ...]
    read: Callable[[Any], Any]
    default: Any = None

    def get(self, message: Any) -> Any:
        """The field's value, the default of its type when it is not set."""
        for key in self.keys:
            message = message.get(key) if isinstance(message, dict) else None
        return self.default if message is None else self.read(message)

    def test(self, op: str, text: str) -> Callable[[dict[str, Any]], bool]:
        """The condition `path op text` as a test of messages.

        Raises:
            BadValue: they don't go together.
        """
        if op == ":" and text == "*":
            return lambda message: self.get(message) not in (None, "", [], {})
        if self.read is _plain:
            return self._test_text(op, text)
        try:
            value = self.read(text)
        except (KeyError, ValueError, TypeError) as error:
            raise BadValue(f"{text!r} is no value for {self.name}{_hint(error)}") from error
        if op in COMPARE:
            compare = COMPARE[op]
            return lambda message: (found := self.get(message)) is not None and compare(found, value)
        return lambda message: (self.get(message) == value) != (op == "!=")

    def _test_text(self, op: str, text: str) -> Callable[[dict[str, Any]], bool]:
        if op in COMPARE:
            compare = COMPARE[op]
            return lambda message: compare(str(self.get(message) or ""), text)
        pattern = re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
        return lambda message: _has(self.get(message), pattern, op) != (op == "!=")


def _has(value: Any, pattern: re.Pattern[str], op: str) -> bool:
    """Whether a text matches; `:` also looks for a key of a map, an item of a list and a part of a text."""
    if isinstance(value, dict):
        return op == ":" and any(pattern.fullmatch(key) for key in value)
    if isinstance(value, list):
        return any(_has(item, pattern, op) for item in value)
    if op == ":":
        return pattern.search(str(value or "")) is not None
    return value is not None and pattern.fullmatch(str(value)) is not None


def _hint(error: Exception) -> str:
    return f" ({error.args[0]})" if isinstance(error, KeyError) and error.args else ""


def _plain(value: Any) -> Any:
    return value


def _enum_reader(about: EnumDescriptor) -> Callable[[Any], Any]:
    names = [value.name for value in about.values]

    def read(value: Any) -> Any:
        if value not in names:
            raise KeyError(f"one of {', '.join(names)}{nearest(str(value), names)}")
        return value

    return read


def _reader(field: FieldDescriptor) -> tuple[Callable[[Any], Any], Any]:
    """How to read the field's values, and its type's default."""
    if messages.is_repeated(field):
        return _plain, None
    if field.message_type is not None:
        is_time = field.message_type.full_name == "google.protobuf.Timestamp"
        return (parse_time, None) if is_time else (_plain, None)
    if field.enum_type is not None:
        return _enum_reader(field.enum_type), field.enum_type.values[0].name
    if field.cpp_type in _NUMBERS:
        return float, 0.0
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _bool, False
    return _plain, ""


def _bool(value: Any) -> bool:
    return value if isinstance(value, bool) else {"true": True, "false": False}[value.lower()]


def resolve(about: Descriptor, name: str) -> Path:
    """The path of that name.

    Raises:
        UnknownPath: the type has no such field; names the nearest.
    """
    inner: Descriptor | None = about
    keys: list[str] = []
    reader: tuple[Callable[[Any], Any], Any] = (_plain, None)
    parts = [part.strip('"') for part in re.findall(r'"[^"]*"|[^."]+', name)]
    if not parts:
        raise UnknownPath("a field's name is missing")
    for part in parts:
        if inner is None:  # within a map or a Struct any key may be
            keys, reader = [*keys, part], (_plain, None)
            continue
        field = messages.fields(inner).get(part)
        if field is None:
            hint = nearest(part, (each.name for each in inner.fields))
            raise UnknownPath(f"{inner.name} has no field {part!r}{hint}")
        keys, reader = [*keys, field.json_name], _reader(field)
        if keys[1:] and field.message_type is None and part is not parts[-1]:
            raise UnknownPath(f"{part!r} in {name!r} has no fields")
        inner = field.message_type
        if inner is not None and (messages.is_map(field) or messages.is_free(inner)):
            inner = None
        elif inner is None and part is not parts[-1]:
            raise UnknownPath(f"{part!r} in {name!r} has no fields")
    return Path(name, tuple(keys), *reader)
