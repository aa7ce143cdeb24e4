"""Small shapes that several tables share: labels and maps between Pulumi's form and the engine's."""

from typing import Any


def labels_to_map(labels: list[dict[str, str]] | None) -> dict[str, str]:
    """[{label, value}] as the engine wants it."""
    return {entry["label"]: entry.get("value", "") for entry in labels or []}


def labels_from_map(labels: dict[str, str] | None) -> list[dict[str, str]]:
    """The engine's labels as inputs, in a steady order."""
    return [{"label": name, "value": value} for name, value in sorted((labels or {}).items())]


def renamed(entry: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """The fields of an object under other names, absent ones left out."""
    return {new: entry[old] for old, new in names.items() if entry.get(old) not in (None, "", [], {})}


def reversed_names(names: dict[str, str]) -> dict[str, str]:
    """The way back of a table of names."""
    return {new: old for old, new in names.items()}
