"""Strict reading of nested configuration: settings.py asks for keys, this collects everything that is wrong.

A `Section` remembers which keys were asked for, so that what is left over is unknown and what is allowed needs no second list.
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


class SettingsError(Exception):
    """Everything that is wrong with the stack's config, one problem a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems; the text lists them all."""
        self.problems = tuple(problems)
        many = "is a problem" if len(problems) == 1 else f"are {len(problems)} problems"
        super().__init__(f"there {many} in the stack's config; nothing was changed:\n" + "\n".join(f"  - {p}" for p in problems))


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
        self._raw: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
        self.broken = not isinstance(raw, Mapping)
        if self.broken:
            problems.append(f"{path} must be a mapping, it is {json.dumps(raw)}")

    def key(self, name: str) -> str:
        """How a key of this section is called in messages."""
        return f"{self.path}:{name}" if ":" not in self.path else f"{self.path}.{name}"

    def keys(self) -> tuple[str, ...]:
        """The keys that are there."""
        return tuple(self._raw)

    def value(self, name: str, wanted: str, convert: Callable[[Any], T | None], default: T | Any = MISSING) -> T:
        """The key's value as `convert` makes it; None from it, or a missing key without default, is a problem."""
        self._asked.append(name)
        if name not in self._raw:
            if default is MISSING and not self.broken:
                self.problems.append(f"{self.key(name)} is missing; it must be {wanted}")
            return default  # type: ignore[no-any-return]
        made = convert(self._raw[name])
        if made is None:
            self.problems.append(f"{self.key(name)} must be {wanted}, it is {json.dumps(self._raw[name])}")
            return default  # type: ignore[no-any-return]
        return made

    def text(self, name: str, default: Any = MISSING, pattern: str = r".+", wanted: str = "a text") -> str:
        """A text that matches the pattern as a whole."""
        return self.value(name, wanted, lambda raw: _text(raw, pattern), default)

    def number(self, name: str, default: Any = MISSING, low: float = 0.0) -> float:
        """A number above `low`; exactly 0 is allowed only when low is negative."""
        above = "0 or more" if low < 0 else "a number above 0"
        return self.value(name, above, lambda raw: _number(raw, low), default)

    def whole(self, name: str, default: Any = MISSING, low: int = 0, high: int = 2**31) -> int:
        """A whole number from low to high."""
        return self.value(name, f"a whole number from {low} to {high}", lambda raw: _whole(raw, low, high), default)

    def flag(self, name: str, default: Any = MISSING) -> bool:
        """true or false."""
        flags = {"true": True, "false": False}
        return self.value(name, "true or false", lambda raw: flags.get(str(raw).lower()), default)

    def memory_mib(self, name: str, default: Any = MISSING) -> int:
        """Memory written as "512Mi" or "2Gi", in MiB."""
        return self.value(name, 'memory such as "512Mi" or "2Gi"', _memory, default)

    def texts(self, name: str, pattern: str, wanted: str) -> tuple[str, ...]:
        """A list of texts that match the pattern; missing means empty."""
        return self.value(name, f"a list of {wanted}", lambda raw: _texts(raw, pattern), ())

    def choice(self, name: str, allowed: Sequence[str], default: Any = MISSING) -> str:
        """One of the allowed texts, else a problem that names the nearest."""
        chosen = self.value(name, f"one of: {listed(allowed)}", lambda raw: _text(raw, ".+"), default)
        if isinstance(chosen, str) and chosen not in allowed:
            self.problems.append(f'{self.key(name)} is "{chosen}"; allowed: {listed(allowed)}{nearest(chosen, allowed)}')
        return chosen

    def section(self, name: str, default: Any = MISSING) -> "Section":
        """The mapping under a key."""
        raw = self.value(name, "a mapping", lambda value: value if isinstance(value, Mapping) else None, default)
        return Section(self.key(name), {} if raw is MISSING else raw, self.problems if raw is not MISSING else [])

    def sections(self, name: str) -> dict[str, "Section"]:
        """The mapping of names to mappings under a key; missing means none."""
        inner = self.section(name, {})
        return {key: Section(inner.key(key), inner._raw[key], self.problems) for key in inner.keys()}  # noqa: SIM118

    def items(self, name: str) -> list["Section"]:
        """The list of mappings under a key; missing means none."""
        raw = self.value(name, "a list of mappings", lambda value: value if isinstance(value, list) else None, [])
        return [Section(f"{self.key(name)}[{index}]", each, self.problems) for index, each in enumerate(raw)]

    def close(self) -> None:
        """Report the keys that nobody asked for."""
        for name in self._raw:
            if name not in self._asked:
                self.problems.append(
                    f"{self.key(name)} is not a setting; allowed: {listed(self._asked)}{nearest(name, self._asked)}"
                )


def _text(raw: object, pattern: str) -> str | None:
    return raw if isinstance(raw, str) and re.fullmatch(pattern, raw) else None


def _number(raw: object, low: float) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return None
    return float(raw) if raw > low else None


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
