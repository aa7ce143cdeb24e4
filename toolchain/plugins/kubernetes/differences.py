"""What differs between two versions of an object's inputs, path by path, in Pulumi's notation.

Called by diffing.py. Pure: nothing is asked of the cluster.
"""

import re
from dataclasses import dataclass
from typing import Any

from toolchain.plugins.common.values import unmarked
from toolchain.plugins.kubernetes.objects import ABSENT, Path

PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
STEP = re.compile(r"""\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|\.?([^.\[\]]+)""")


@dataclass(frozen=True)
class Difference:
    """One place where old and new differ; `kind` is add, delete or update."""

    path: Path
    kind: str

    @property
    def text(self) -> str:
        """The path as Pulumi writes it: `spec.containers[0].image`, `metadata.labels["a.b/c"]`."""
        return written(self.path)


def differences(old: Any, new: Any, path: Path = ()) -> list[Difference]:
    """Every place where two values differ, as deep as both have the same form."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*new, *(key for key in old if key not in new)]
        return [d for key in keys for d in _pair(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))]
    if isinstance(old, list) and isinstance(new, list):
        count = max(len(old), len(new))
        return [d for index in range(count) for d in _pair(_item(old, index), _item(new, index), (*path, index))]
    # Marking a value as secret changes nothing about the object; an unknown one may be anything.
    return [] if unmarked(old) == unmarked(new) else [Difference(path, "update")]


def written(path: Path) -> str:
    """A path in Pulumi's notation."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def parsed(text: str) -> Path:
    """A path from Pulumi's notation; `*` stands for any step."""
    steps: list[str | int] = []
    for quoted, bracketed, name in STEP.findall(text):
        if bracketed:
            steps.append(int(bracketed) if bracketed.isdigit() else bracketed)
        else:
            steps.append(quoted.replace('\\"', '"').replace("\\\\", "\\") or name)
    return tuple(steps)


def covers(pattern: Path, path: Path) -> bool:
    """Whether a path lies at or below a pattern."""
    return len(pattern) <= len(path) and all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def replaced(value: Any, path: Path, leaf: Any) -> Any:
    """The value with something else at a path; unchanged where the path leads nowhere."""
    if not path:
        return leaf
    step, rest = path[0], path[1:]
    if isinstance(value, dict) and (step in value or not rest):
        return {**value, step: replaced(value.get(step), rest, leaf)}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [replaced(item, rest, leaf) if index == step else item for index, item in enumerate(value)]
    return value


def _pair(old: Any, new: Any, path: Path) -> list[Difference]:
    if old is ABSENT:
        return [Difference(path, "add")]
    return [Difference(path, "delete")] if new is ABSENT else differences(old, new, path)


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else ABSENT
