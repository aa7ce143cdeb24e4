"""Vertex' messages as JSON: strict on the way in, in the caller's API version and enum style on the way out.

Used by the app for every request and answer. One canonical form is kept everywhere inside: proto3 JSON as Vertex prints
it (camelCase, enum names, 64-bit integers as strings).
"""

import gzip
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from workloads.api.errors import invalid, nearest
from workloads.api.vertex import DESCRIPTORS, Version

Json = dict[str, Any]
PACKAGE: Final = "google.cloud.aiplatform."
# Said to be required, though empty, which can't be told from absent, asks for something: scaling to zero; the log of
# predictions at its default place, which Google's SDK sends so.
MAY_BE_EMPTY: Final = frozenset(
    {
        f"{PACKAGE}v1beta1.DedicatedResources.min_replica_count",
        f"{PACKAGE}v1.BigQueryDestination.output_uri",
        f"{PACKAGE}v1beta1.BigQueryDestination.output_uri",
    }
)
TYPE_URL: Final = "type.googleapis.com/"


@cache
def _loaded() -> tuple[descriptor_pool.DescriptorPool, tuple[str, ...]]:
    files = descriptor_pb2.FileDescriptorSet.FromString(gzip.decompress(DESCRIPTORS.read_bytes())).file
    filled = descriptor_pool.DescriptorPool()
    for file in files:
        filled.Add(file)
    return filled, tuple(file.name for file in files)


def pool() -> descriptor_pool.DescriptorPool:
    """All of Vertex' descriptors, apart from those that an SDK in the same process registers."""
    return _loaded()[0]


def file_names() -> tuple[str, ...]:
    """The names of the pool's files; services/X.proto holds the service X."""
    return _loaded()[1]


@cache
def descriptor(full_name: str) -> Descriptor:
    """The type of that full name."""
    return pool().FindMessageTypeByName(full_name)


@cache
def behaviors(field: FieldDescriptor) -> frozenset[int]:
    """Required, output only, immutable."""
    return frozenset(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request without the field is wrong."""
    return field_behavior_pb2.REQUIRED in behaviors(field) and field.full_name not in MAY_BE_EMPTY


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether only the platform sets the field."""
    return field_behavior_pb2.OUTPUT_ONLY in behaviors(field)


def _new(full_name: str) -> Message:
    return message_factory.GetMessageClass(descriptor(full_name))()


@cache
def fields(about: Descriptor) -> dict[str, FieldDescriptor]:
    """A message's fields by the names that JSON may use: displayName and display_name."""
    return {name: field for field in about.fields for name in (field.json_name, field.name)}


def message_type(field: FieldDescriptor) -> Descriptor:
    """The type of a field that holds messages."""
    if field.message_type is None:
        raise TypeError(f"{field.full_name} holds no message")
    return field.message_type


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map<…>."""
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether the field is a list (or a map). protobuf 6 brought `is_repeated`, 7 took `label` away."""
    return field.is_repeated if hasattr(field, "is_repeated") else bool(field.label == field.LABEL_REPEATED)  # type: ignore[attr-defined]


def is_free(about: Descriptor) -> bool:
    """Whether the type has a JSON form of its own (Struct, Timestamp, Any, …)."""
    return about.file.name.startswith("google/protobuf/")


def strip(about: Descriptor, value: Any, path: str) -> Json:
    """The message without its output-only fields, which clients may echo and the platform ignores.

    Raises:
        ApiError: it is not an object, or has a field that the type has not; names the nearest.
    """
    if not isinstance(value, dict):
        raise invalid(f"{path} must be a JSON object, not {type(value).__name__} {str(value)[:40]!r}.")
    known, kept = fields(about), {}
    for key, item in value.items():
        if key not in known:
            hint = nearest(key, (f.json_name for f in about.fields))
            raise invalid(f"Unknown field {key!r} in {path}{hint or '; see the reference of ' + about.name + '.'}")
        if not is_output_only(known[key]):
            kept[key] = _strip_field(known[key], item, f"{path}.{key}")
    return kept


def _strip_field(field: FieldDescriptor, value: Any, path: str) -> Any:
    inner: Descriptor | None = field.message_type
    if inner is not None and is_map(field):
        inner = inner.fields_by_name["value"].message_type
        if inner is None or is_free(inner) or not isinstance(value, dict):
            return value
        return {key: strip(inner, item, f"{path}.{key}") for key, item in value.items()}
    if inner is None or is_free(inner) or value is None:
        return value
    if is_repeated(field):
        if not isinstance(value, list):
            raise invalid(f"{path} must be a list.")
        return [strip(inner, item, f"{path}[{i}]") for i, item in enumerate(value)]
    return strip(inner, value, path)


def canonical(full_name: str, value: Json) -> Json:
    """The message in canonical form.

    Raises:
        ApiError: a value is not of its field's type; names the field.
    """
    message = _new(full_name)
    try:
        json_format.ParseDict(value, message, descriptor_pool=pool())
    except json_format.ParseError as error:
        raise invalid(_explain(str(error))) from error
    # protobuf's own parser stumbles over some values, for example null where a list of free values belongs.
    except (ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        raise invalid(f"The request is not a {full_name.rsplit('.', 1)[-1]}: {error}.") from error
    return json_format.MessageToDict(message, descriptor_pool=pool())


def _explain(text: str) -> str:
    """'Failed to parse a field: Failed to parse b field: why' as 'a.b: why'."""
    path, marker = [], "Failed to parse "
    text = re.sub(r"\.? at [A-Z]\w+(\.\S+?)?\.*$", "", text)
    while text.startswith(marker) and " field: " in text:
        head, text = text.split(" field: ", 1)
        path.append(head.removeprefix(marker))
    return f"The value of {'.'.join(path)} is wrong: {text.rstrip('.')}." if path else f"The request is wrong: {text}"


def missing(about: Descriptor, value: Json, path: str) -> str | None:
    """The path of the first required field that the canonical message lacks."""
    for field in about.fields:
        here = f"{path}.{field.json_name}" if path else field.json_name
        item = value.get(field.json_name)
        if item is None:
            if is_required(field):
                return here
        elif field.message_type is not None and not is_map(field) and not is_free(field.message_type):
            for each in item if is_repeated(field) else [item]:
                if found := missing(field.message_type, each, here):
                    return found
    return None


def render(full_name: str, value: Json, enums_as_ints: bool = False) -> Json:
    """A canonical message as the caller wants it: only what its API version knows, enums as names or numbers."""
    message = _new(full_name)
    json_format.ParseDict(value, message, ignore_unknown_fields=True, descriptor_pool=pool())
    return json_format.MessageToDict(message, use_integers_for_enums=enums_as_ints, descriptor_pool=pool())


def in_version(full_name: str, version: Version) -> str:
    """google.cloud.aiplatform.v1.X as the same type of the other version."""
    if not full_name.startswith(PACKAGE):
        return full_name
    return f"{PACKAGE}{version}.{full_name.removeprefix(PACKAGE).split('.', 1)[1]}"


def any_of(type_name: str, value: Json, version: Version) -> Json:
    """The message packed as Any, in the version that its reader parses: `any_of("Endpoint", {…}, "v1")`."""
    name = type_name if "." in type_name else f"{PACKAGE}v1.{type_name}"
    return {"@type": TYPE_URL + in_version(name, version), **value}


def retype(packed: Json, version: Version) -> Json:
    """A packed message as one of the other version."""
    return {**packed, "@type": TYPE_URL + in_version(str(packed["@type"]).removeprefix(TYPE_URL), version)}


def timestamp(moment: datetime) -> str:
    """RFC 3339 as protobuf's JSON has it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
