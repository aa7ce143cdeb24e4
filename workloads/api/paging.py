"""Page sizes and tokens. A token only fits the query that it came from. Used by crud.py."""

import base64
import binascii
import hashlib
import json
from typing import Any, Final

from workloads.api.errors import invalid

DEFAULT_SIZE: Final = 100
MAX_SIZE: Final = 1000


def size(request: dict[str, Any]) -> int:
    """How many items the page may have.

    Raises:
        ApiError: it is negative.
    """
    wish = int(request.get("pageSize", 0))
    if wish < 0:
        raise invalid(f"pageSize is {wish}; use 1 to {MAX_SIZE}, or leave it out for {DEFAULT_SIZE}.")
    return min(wish or DEFAULT_SIZE, MAX_SIZE)


def _fingerprint(query: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(query).encode()).hexdigest()[:16]


def encode(query: tuple[str, ...], position: Any) -> str:
    """A token for the page that begins at `position` of the query's results."""
    return base64.urlsafe_b64encode(json.dumps([_fingerprint(query), position]).encode()).decode()


def decode(query: tuple[str, ...], token: str) -> Any:
    """The position that `encode` was given.

    Raises:
        ApiError: the token is not one of ours, or of another query.
    """
    try:
        fingerprint, position = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise invalid(
            f"The page token {token[:40]!r} is not one that this API gave out; start at the first page."
        ) from error
    if fingerprint != _fingerprint(query):
        raise invalid("The page token is of another query: keep parent, filter and orderBy the same from page to page.")
    return position
