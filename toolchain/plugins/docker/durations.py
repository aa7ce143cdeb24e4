"""Durations as Go writes them ("1m30s", "500ms") to the engine's nanoseconds and back."""

import re

UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """How long a duration is; raises ValueError for what is none."""
    if text == "0":
        return 0
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration: write for example 30s, 1m30s or 500ms")
    return round(sum(float(number) * UNITS[unit] for number, unit in parts))


def duration(value: int) -> str:
    """Write nanoseconds the way Go prints them: 1h2m3s, 1m30s, 1.5s, 500ms."""
    if value and abs(value) < UNITS["s"]:
        return f"{value / UNITS['ms']:g}ms"
    hours, rest = divmod(value, UNITS["h"])
    minutes, rest = divmod(rest, UNITS["m"])
    seconds = f"{rest / UNITS['s']:.9f}".rstrip("0").rstrip(".")
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"
