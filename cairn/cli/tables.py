"""What the commands' tables share: names, ages, money."""

import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

# Ids are there to be copied: into a file or a pipe nothing is cut, on a narrow terminal it is folded.
console = Console(width=None if sys.stdout.isatty() else 200)


def table(title: str, *columns: str) -> Table:
    """An empty table; columns whose name starts with ">" are aligned right."""
    result = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        result.add_column(
            column.removeprefix(">"), justify="right" if column.startswith(">") else "left", overflow="fold"
        )
    return result


def short_id(resource: str) -> str:
    """The last part of a resource name."""
    return resource.rsplit("/", 1)[-1]


def short_state(state: str) -> str:
    """JOB_STATE_RUNNING → RUNNING."""
    return state.removeprefix("JOB_STATE_")


def age(timestamp: str, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was: 42s, 5m, 3h, 2d."""
    if not timestamp:
        return ""
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(timestamp)).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def price(row: dict[str, Any] | None) -> str:
    """A usage row's price with its currency."""
    return "" if row is None else f"{float(row['price']):.4f} {row['currency']}"
