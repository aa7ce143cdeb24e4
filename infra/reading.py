"""Strict reading of nested configuration: settings.py asks for keys, this collects everything that is wrong.

A `Section` remembers which keys were asked for: what is left over is unknown, and what is allowed needs no second list.
"""

import difflib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")
MISSING: Final[Any] = object()
MEMORY: Final = re.compile(r"^(\d+(?:\.\d+)?)(Mi|Gi)$")


def share(raw: object) -> float | None:
    """A number from 0 to 1; None for anything else, as `Section.value` wants it."""
    return float(raw) if isinstance(raw, int | float) and not isinstance(raw, bool) and 0 <= raw <= 1 else None


def positive_share(raw: object) -> float | None:
    """The same above 0."""
    return share(raw) or None


class SettingsError(Exception):
    """Everything that is wrong with the stack's config, one problem a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems; the text lists them all."""
        self.problems = tuple(problems)
        many = "is a problem" if len(problems) == 1 else f"are {len(problems)} problems"
        super().__init__(
            f"there {many} in the stack's config; nothing was changed:\n" + "\n".join(f"  - {p}" for p in problems)
        )


def nearest(word: str, allowed: Iterable[str]) -> str:
    """'; did you mean "x"?' when one of the allowed words is near, else nothing."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f'; did you mean "{found[0]}"?' if found else ""


def listed(words: Iterable[str]) -> str:
    """The words for a message, sorted."""
    return ", ".join(sorted(words)) or "none"


class Section:
    """One mapping of the config; `path` names it in messages ("cairn:capacity")."""

    def __init__(self, path: str, raw: object, problems: list[str]) -> None:
        """Start reading; a value that is no mapping is a problem and reads as an empty one."""
        self.path = path
        self.problems = problems
        self._asked: list[str] = []
        self._refused: list[str] = []
        found = _mapping(raw)
        self._raw: Mapping[str, Any] = found or {}
        self.broken = found is None
        if self.broken:
            problems.append(f"{path} must be a mapping, it is {json.dumps(raw)}")

    def names(self) -> list[str]:
        """The keys that are given, where any may be."""
        return [*self._raw]

    def key(self, name: str) -> str:
        """How a key of this section is called in messages."""
        return f"{self.path}:{name}" if ":" not in self.path else f"{self.path}.{name}"

    def has(self, name: str) -> bool:
        """Whether the key is given."""
        return name in self._raw

    def is_section(self, name: str) -> bool:
        """Whether the key's value is a mapping."""
        return _mapping(self._raw.get(name)) is not None

    def value(self, name: str, wanted: str, convert: Callable[[Any], T | None], default: T) -> T:
        """The key's value as `convert` makes it; None from it, or a missing key without default, is a problem."""
        self._asked.append(name)
        if name not in self._raw:
            if default is MISSING and not self.broken:
                self.problems.append(f"{self.key(name)} is missing; it must be {wanted}")
            return default
        made = convert(self._raw[name])
        if made is None:
            self.problems.append(f"{self.key(name)} must be {wanted}, it is {json.dumps(self._raw[name])}")
            return default
        return made

    def text(self, name: str, default: str = MISSING, pattern: str = r".+", wanted: str = "a text") -> str:
        """A text that matches the pattern as a whole."""
        return self.value(name, wanted, lambda raw: _text(raw, pattern), default)

    def number(self, name: str, default: float = MISSING) -> float:
        """A number above 0."""
        return self.value(name, "a number above 0", _positive, default)

    def price(self, name: str, default: float = MISSING) -> float:
        """A number, 0 or more."""
        return self.value(name, "a price, 0 or more", _number, default)

    def whole(self, name: str, default: int = MISSING, low: int = 0, high: int = 2**31) -> int:
        """A whole number from low to high."""
        return self.value(name, f"a whole number from {low} to {high}", lambda raw: _whole(raw, low, high), default)

    def flag(self, name: str, default: bool = MISSING) -> bool:
        """A switch: true or false."""
        flags = {"true": True, "false": False}
        return self.value(name, "true or false", lambda raw: flags.get(str(raw).lower()), default)

    def memory_mib(self, name: str, default: int = MISSING) -> int:
        """Memory written as "512Mi" or "2Gi", in MiB."""
        return self.value(name, 'memory such as "512Mi" or "2Gi"', _memory, default)

    def texts(self, name: str, pattern: str, wanted: str) -> tuple[str, ...]:
        """A list of texts that match the pattern; missing means empty."""
        return self.value(name, f"a list of {wanted}", lambda raw: _texts(raw, pattern), ())

    def choice(self, name: str, allowed: Sequence[str], default: str = MISSING) -> str:
        """One of the allowed texts, else a problem that names the nearest."""
        chosen = self.value(name, f"one of: {listed(allowed)}", lambda raw: _text(raw, ".+"), default)
        if chosen is not MISSING and chosen not in allowed:
            self.problems.append(
                f'{self.key(name)} is "{chosen}"; allowed: {listed(allowed)}{nearest(chosen, allowed)}'
            )
        return chosen

    def labels(self, name: str, key: str, value: str) -> dict[str, str]:
        """A mapping of labels to their values, each of which matches its pattern; missing means none."""
        none: dict[str, str] = {}
        return self.value(name, "a mapping of labels to texts", lambda raw: _labels(raw, key, value), none)

    def sizes_gib(self) -> dict[str, int]:
        """Every key with its whole GiB ("10Gi")."""
        return {name: self.value(name, 'whole gibibytes such as "10Gi"', _gib, 0) for name in self._raw}

    def refuse(self, name: str, why: str) -> None:
        """A key that is a setting elsewhere, not here: a problem with its reason when it is given."""
        if name in self._raw:
            self._refused.append(name)
            self.problems.append(f"{self.key(name)} {why}")

    def section(self, name: str, default: Mapping[str, Any] = MISSING) -> "Section":
        """The mapping under a key."""
        raw = self.value(name, "a mapping", _mapping, default)
        return Section(self.key(name), {} if raw is MISSING else raw, self.problems if raw is not MISSING else [])

    def sections(self, name: str) -> dict[str, "Section"]:
        """The mapping of names to mappings under a key; missing means none."""
        empty: Mapping[str, Any] = {}
        raw = self.value(name, "a mapping", _mapping, empty)
        return {key: Section(f"{self.key(name)}.{key}", value, self.problems) for key, value in raw.items()}

    def items(self, name: str) -> list["Section"]:
        """The list of mappings under a key; missing means none."""
        raw: list[Any] = self.value(name, "a list of mappings", _list, [])
        return [Section(f"{self.key(name)}[{index}]", each, self.problems) for index, each in enumerate(raw)]

    def close(self) -> None:
        """Report the keys that nobody asked for."""
        for name in self._raw:
            if name not in (*self._asked, *self._refused):
                self.problems.append(
                    f"{self.key(name)} is not a setting; allowed: {listed(self._asked)}{nearest(name, self._asked)}"
                )


def _mapping(raw: object) -> Mapping[str, Any] | None:
    return raw if isinstance(raw, Mapping) else None


def _list(raw: object) -> list[Any] | None:
    return raw if isinstance(raw, list) else None


def _text(raw: object, pattern: str) -> str | None:
    return raw if isinstance(raw, str) and re.fullmatch(pattern, raw) else None


def _number(raw: object) -> float | None:
    """A finite number that is not negative."""
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw) if raw >= 0 else None


def _positive(raw: object) -> float | None:
    return _number(raw) or None


def _whole(raw: object, low: int, high: int) -> int | None:
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and low <= raw <= high else None


def _memory(raw: object) -> int | None:
    match = MEMORY.match(raw) if isinstance(raw, str) else None
    if not match:
        return None
    mib = float(match[1]) * (1024 if match[2] == "Gi" else 1)
    return int(mib) if mib >= 1 and mib.is_integer() else None


def _texts(raw: object, pattern: str) -> tuple[str, ...] | None:
    if not isinstance(raw, list) or any(_text(each, pattern) is None for each in raw):
        return None
    return tuple(raw)


def _labels(raw: object, key: str, value: str) -> dict[str, str] | None:
    if not isinstance(raw, Mapping):
        return None
    good = all(_text(name, key) is not None and _text(given, value) is not None for name, given in raw.items())
    return dict(raw) if good else None


def _gib(raw: object) -> int | None:
    mib = _memory(raw)
    return mib // 1024 if mib and mib % 1024 == 0 else None
