"""What is secret about objects: Secrets' data always, and whatever the program marked.

A Deployment's log may print a password that came with a Secret, so secrets are remembered for the whole process and
taken out of every text, whoever's it is.
"""

import base64
import binascii
import threading
from collections.abc import Callable
from typing import Any

from toolchain.plugins.common.answers import redactor
from toolchain.plugins.common.values import UNKNOWN, Properties, Secret, has_secret, secret_parts, strings, unmarked

SECRET_FIELDS = ("data", "stringData")


class Secrets:
    """Every secret text that this process has met."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._redact = redactor({})
        self._lock = threading.Lock()

    def remember(self, *sources: Properties) -> None:
        """Learn the secrets of inputs or states, encoded and decoded."""
        texts = {text for source in sources for part in secret_parts(source) for text in strings(part)}
        texts |= {plain for source in sources if is_secret(unmarked(source)) for plain in _both_forms(source)}
        with self._lock:
            if not texts <= self._texts:
                self._texts |= texts
                self._redact = redactor({"all": Secret(sorted(self._texts))})

    @property
    def redact(self) -> Callable[[str], str]:
        """Takes all of them out of a text."""
        return self._redact


def is_secret(obj: Properties) -> bool:
    """Whether an object is a Secret."""
    return obj.get("kind") == "Secret" and obj.get("apiVersion") == "v1"


def marked(obj: Properties, inputs: Properties) -> Properties:
    """The object's values marked where the inputs are, and a Secret's data in any case."""
    result = {key: _marked(value, inputs.get(key)) for key, value in obj.items()}
    if is_secret(obj):
        for field in SECRET_FIELDS:
            if field in obj:
                result[field] = Secret(obj[field])
    return result


def as_data(obj: Properties) -> Properties:
    """A Secret with stringData folded into data, as the API server keeps it: so that a removed key really goes."""
    texts = obj.get("stringData")
    if not is_secret(obj) or not isinstance(texts, dict):
        return obj
    encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
    rest = {key: value for key, value in obj.items() if key != "stringData"}
    return {**rest, "data": {**(obj.get("data") or {}), **encoded}}


def _marked(value: Any, by: Any) -> Any:
    if isinstance(by, Secret):
        return Secret(value)
    if isinstance(value, dict) and isinstance(by, dict):
        return {key: _marked(item, by.get(key)) for key, item in value.items()}
    if not has_secret(by):
        return value
    if isinstance(value, list) and isinstance(by, list) and _aligned(value, by):
        return [_marked(item, wanted) for item, wanted in zip(value, by, strict=True)]
    # The API server gave it another form than the program: what is secret in it can't be told apart.
    return Secret(value)


def _aligned(values: list[Any], by: list[Any]) -> bool:
    def key(item: Any) -> Any:
        plain = unmarked(item)
        return plain.get("name") if isinstance(plain, dict) else UNKNOWN

    return len(values) == len(by) and [key(item) for item in values] == [key(item) for item in by]


def _both_forms(source: Properties) -> set[str]:
    obj = unmarked(source)
    encoded = (
        {text for text in (obj.get("data") or {}).values() if isinstance(text, str)} if _known(obj, "data") else set()
    )
    texts = set(strings(obj.get("stringData"))) | encoded
    for text in encoded:
        try:
            texts.add(base64.b64decode(text, validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            continue  # bytes that are no text can't appear in one
    return texts | {base64.b64encode(text.encode()).decode() for text in texts - encoded}


def _known(obj: Properties, field: str) -> bool:
    return isinstance(obj.get(field), dict)
