"""Clients of a running stack: `connect()`, the `cairn` command and the hook behind `cairn run`.

Importing this package costs nothing: what it exports is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cairn.connection import Connection, connect

__all__ = ["Connection", "connect"]


def __getattr__(name: str) -> Any:
    """`connect` and `Connection`, imported when first asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module 'cairn' has no attribute {name!r}")
    from cairn import connection

    return getattr(connection, name)
