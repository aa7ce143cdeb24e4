"""From an HTTP request to a Call: path, query and body become the method's request message. Used by app.py only."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from workloads.api.errors import invalid, nearest, not_found
from workloads.api.handlers import Call, Json
from workloads.api.vertex import messages
from workloads.api.vertex.methods import Match
from workloads.config import PlatformConfig
from workloads.tokens import Principal

# Query parameters of every Google API; of these only $alt changes the answer (read by app.py).
SYSTEM_PARAMETERS: Final = frozenset(
    {"alt", "access_token", "callback", "fields", "key", "prettyPrint", "quotaUser", "uploadType", "upload_protocol"}
)
# Their body is the user's own, not the request message in JSON.
RAW_BODIES: Final = frozenset({"RawPredict", "StreamRawPredict"})
SEGMENT: Final = re.compile(r"[^\x00-\x20\x7f/\ud800-\udfff]{1,256}")


def load_json(body: bytes) -> Json:
    """The body as a JSON object.

    Raises:
        ApiError: it is something else; says where it breaks.
    """
    try:
        value = json.loads(body or b"{}", object_pairs_hook=_unique, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise invalid(f"The request's body is not JSON: {error}. Send one JSON object in UTF-8.") from error
    if not isinstance(value, dict):
        raise invalid(f"The request's body must be one JSON object, not a {type(value).__name__}.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(k for k in keys if keys.count(k) > 1)!r} is there twice")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def build(match: Match, query: Sequence[tuple[str, str]], body: bytes, principal: Principal) -> Call:
    """The call that the request means.

    Raises:
        ApiError: INVALID_ARGUMENT, naming the field.
    """
    about = messages.descriptor(match.method.request)
    raw = match.method.name in RAW_BODIES
    request = {} if raw else _message(about, match.body, load_json(body))
    for key, value in query:
        if key.startswith("$") or key in SYSTEM_PARAMETERS or raw:
            continue
        if match.body and (match.body == "*" or _field(about, key.split(".")[0], key).name == match.body):
            raise invalid(f"Query parameter {key!r} belongs into the request's body.")
        _set_text(about, request, key, value)
    for path, value in match.path_fields.items():
        _set(request, path, value)
    found = messages.canonical(about.full_name, _camel_masks(about, request))
    _refuse_nul(found, "request")
    if not raw:
        _require(about, found)
    return Call(match.method, found, principal)


def _require(about: Descriptor, request: Json) -> None:
    """Refuse a request without its required fields; of a message that is to be merged by a mask, any may be missing."""
    if "update_mask" in about.fields_by_name:
        required = [field for field in about.fields if field.name != "update_mask" and messages.is_required(field)]
        absent = next((field.json_name for field in required if field.json_name not in request), None)
    else:
        absent = messages.missing(about, request, "")
    if absent:
        raise invalid(f"Required field {absent} is not set.")


def _message(about: Descriptor, body_field: str, body: Json) -> Json:
    """The part of the request that the body is: all of it (`*`), one field, or nothing."""
    if body_field == "*":
        return messages.strip(about, body, "request")
    if not body_field:
        if body:
            raise invalid("This method takes no body; send its fields in the path and the query.")
        return {}
    field = about.fields_by_name[body_field]
    return {field.json_name: messages.strip(messages.message_type(field), body, field.json_name)}


def _field(about: Descriptor, part: str, key: str) -> FieldDescriptor:
    known = messages.fields(about)
    if part not in known:
        hint = nearest(part, (field.json_name for field in about.fields))
        raise invalid(f"Unknown query parameter {key!r}{hint or ' for this method.'}")
    return known[part]


def _set_text(about: Descriptor, request: Json, key: str, text: str) -> None:
    """Set the field that a query parameter (a.b=text) names."""
    *parents, last = key.split(".")
    for part in parents:
        field = _field(about, part, key)
        inner = request.setdefault(field.json_name, {})
        if field.message_type is None or messages.is_repeated(field) or not isinstance(inner, dict):
            raise invalid(f"Query parameter {key!r}: {part!r} has no fields.")
        request, about = inner, field.message_type
    field = _field(about, last, key)
    if messages.is_map(field):
        raise invalid(f"Query parameter {key!r} is a map, which a query can't hold.")
    value: Any = text
    if field.type == FieldDescriptor.TYPE_BOOL:
        if text.lower() not in ("true", "false"):
            raise invalid(f"Query parameter {key!r} must be true or false, not {text!r}.")
        value = text.lower() == "true"
    if messages.is_repeated(field):
        request.setdefault(field.json_name, []).append(value)
    else:
        request[field.json_name] = value


def _set(request: Json, path: str, value: str) -> None:
    """Set a field that the URL's path holds ("endpoint.name"); it outweighs what the body says."""
    *parents, last = [_camel(part) for part in path.split(".")]
    for part in parents:
        request = request.setdefault(part, {})
    request[last] = value


def _camel(text: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), text)


def _camel_masks(about: Descriptor, request: Json) -> Json:
    """Field masks in the one style that protobuf's JSON knows; Google takes display_name too."""
    names = {
        field.json_name
        for field in about.fields
        if field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask"
    }
    return {
        key: ",".join(_camel(path.strip()) for path in value.split(","))
        if key in names and isinstance(value, str)
        else value
        for key, value in request.items()
    }


def _refuse_nul(value: Any, path: str) -> None:
    """NUL is valid JSON but no database keeps it."""
    if isinstance(value, str) and "\x00" in value:
        raise invalid(f"{path} holds a NUL character; remove it.")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key, path)
            _refuse_nul(item, f"{path}.{key}")
    if isinstance(value, list):
        for item in value:
            _refuse_nul(item, path)


def check_location(config: PlatformConfig, match: Match) -> None:
    """Refuse names of another project or location, and names that can't be one.

    Raises:
        ApiError: NOT_FOUND with the stack's own project and location.
    """
    for field, name in match.path_fields.items():
        parts = name.split("/")
        bad = [part for part in parts if not SEGMENT.fullmatch(part)]
        if bad:
            raise invalid(f"{field} {name!r} is not a resource name: {bad[0]!r} can't be part of one.")
        for kind, own in (("projects", config.project), ("locations", config.location)):
            index = parts.index(kind) + 1 if kind in parts[::2] else len(parts)
            if index < len(parts) and parts[index] != own:
                raise not_found(
                    f"{kind[:-1].capitalize()} {parts[index]!r} is not served here: this stack is {config.parent}; "
                    f"use aiplatform.init(project={config.project!r}, location={config.location!r})."
                )
