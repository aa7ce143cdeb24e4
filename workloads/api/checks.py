"""Checks that several resources share: labels, display names, gs:// URIs, durations, fields with no effect here."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from workloads.api.errors import invalid, unimplemented
from workloads.plans.names import is_bucket

Json = dict[str, Any]
MAX_DISPLAY_NAME: Final = 128
MAX_LABELS: Final = 64
MAX_URI: Final = 2000
_LABEL: Final = re.compile(r"[\w-]{0,63}")
_NANOSECONDS: Final = 9


def display_name(message: Json) -> None:
    """1 to 128 characters.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    name = str(message.get("displayName", ""))
    if not 1 <= len(name.strip()) <= len(name) <= MAX_DISPLAY_NAME:
        raise invalid(f"displayName has {len(name)} characters; give 1 to {MAX_DISPLAY_NAME}, not all blank.")


def labels(message: Json) -> None:
    """Vertex' rules: at most 64; keys and values of lower-case letters, digits, _ and -, at most 63; keys begin so too.

    Raises:
        ApiError: INVALID_ARGUMENT, naming the label.
    """
    given: Mapping[str, str] = message.get("labels", {})
    if len(given) > MAX_LABELS:
        raise invalid(f"labels has {len(given)} labels; {MAX_LABELS} is the most.")
    for key, value in given.items():
        rule = "up to 63 lower-case letters, digits, '_' and '-'"
        if not (_LABEL.fullmatch(key) and key == key.lower() and key[:1].isalpha()):
            raise invalid(f"The label key {key[:80]!r} is wrong: keys are {rule}, beginning with a letter.")
        if not (_LABEL.fullmatch(value) and value == value.lower()):
            raise invalid(f"The value {value[:80]!r} of the label {key!r} is wrong: values are {rule}.")


def gcs_uri(uri: str, field: str) -> None:
    """gs://bucket or gs://bucket/path.

    Raises:
        ApiError: INVALID_ARGUMENT, naming the field.
    """
    bucket, _, path = uri.removeprefix("gs://").partition("/")
    unsafe = {".", ".."} & set(path.split("/"))
    if not uri.startswith("gs://") or not is_bucket(bucket) or unsafe or len(uri) > MAX_URI:
        raise invalid(f"{field} is {uri[:200]!r}; give a URI of the form gs://bucket/path.")


def seconds(duration: str) -> float:
    """A canonical protobuf duration ("604800s") in seconds."""
    return float(duration.removesuffix("s"))


def refuse(message: Json, fields: Mapping[str, str], where: str) -> None:
    """Refuse fields whose meaning this stack can't give; silently dropping them would run something else.

    Args:
        fields: from the field to what the caller can do instead.

    Raises:
        ApiError: UNIMPLEMENTED, naming the field.
    """
    for field, remedy in fields.items():
        if message.get(field) not in (None, "", False, {}, []):
            raise unimplemented(f"{where}.{field} is not supported on this stack: {remedy}.")


def one_of(message: Json, fields: Iterable[str], where: str) -> str:
    """The one field of these that is set.

    Raises:
        ApiError: INVALID_ARGUMENT: none, or several.
    """
    names = list(fields)
    given = [field for field in names if field in message]
    if len(given) != 1:
        raise invalid(f"{where} needs exactly one of {', '.join(names)}; it has {', '.join(given) or 'none'}.")
    return given[0]
