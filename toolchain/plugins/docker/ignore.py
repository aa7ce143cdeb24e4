"""`.dockerignore`: which files of a build context are left out. Called by build_context.py.

The rules are Docker's: patterns of path segments, `**` for any number of them, `!` to take files in again, the last
match decides, and a matched folder takes everything below with it.
"""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Rule:
    """One line: the files it speaks of, and whether it takes them in again."""

    pattern: re.Pattern[str]
    keeps: bool


@dataclass(frozen=True)
class Ignore:
    """A parsed file."""

    rules: tuple[Rule, ...]

    def leaves_out(self, path: str) -> bool:
        """Whether the file (path with slashes, relative to the context) stays out of the build."""
        out = False
        for rule in self.rules:
            if out == rule.keeps and rule.pattern.match(path):
                out = not rule.keeps
        return out

    @property
    def may_keep_below(self) -> bool:
        """Whether a folder that is left out has to be searched all the same."""
        return any(rule.keeps for rule in self.rules)


def read_ignore(context: Path, dockerfile: Path) -> Ignore:
    """The Dockerfile's own ignore file if it has one, else the context's."""
    for path in (dockerfile.with_name(f"{dockerfile.name}.dockerignore"), context / ".dockerignore"):
        if path.is_file():
            return parse_ignore(path.read_text())
    return Ignore(())


def parse_ignore(text: str) -> Ignore:
    """Read the lines of an ignore file."""
    lines = [line.strip() for line in text.splitlines()]
    return Ignore(tuple(_rule(line) for line in lines if line and not line.startswith("#")))


def _rule(line: str) -> Rule:
    keeps = line.startswith("!")
    segments = [part for part in line.lstrip("!").strip().split("/") if part not in ("", ".")]
    return Rule(re.compile(_expression(segments) + r"(?:/.*)?\Z", re.DOTALL), keeps)


def _expression(segments: list[str]) -> str:
    expression = ""
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            expression += ".*" if last else "(?:[^/]+/)*"
        else:
            expression += _segment(segment) + ("" if last else "/")
    return expression


def _segment(segment: str) -> str:
    parts = re.findall(r"\[\^?[^\]]+\]|\*\*|\*|\?|\\.|.", segment)
    return "".join(_part(part) for part in parts)


def _part(part: str) -> str:
    if part[0] == "[" and part[1:]:
        return part
    if part.startswith("\\"):
        return re.escape(part[1:])
    return {"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
