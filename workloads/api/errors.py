"""Google's error model. ApiError is raised anywhere below the app; the app turns it, and the store's errors, into answers."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

from workloads.store import errors as store

CODES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
# google.rpc.Code, for google.rpc.Status inside of messages (Operation.error, CustomJob.error)
RPC_CODES: Final = {
    "CANCELLED": 1, "INVALID_ARGUMENT": 3, "NOT_FOUND": 5, "ALREADY_EXISTS": 6, "PERMISSION_DENIED": 7,
    "FAILED_PRECONDITION": 9, "ABORTED": 10, "UNIMPLEMENTED": 12, "INTERNAL": 13, "UNAVAILABLE": 14, "UNAUTHENTICATED": 16,
}  # fmt: skip


class ApiError(Exception):
    """An answer other than success.

    Attributes:
        status: Google's name of the error, a key of CODES.
        message: what was wrong, where, and what to do.
    """

    def __init__(self, status: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details

    @property
    def code(self) -> int:
        """The HTTP status."""
        return CODES[self.status]

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        error: dict[str, Any] = {"code": self.code, "message": self.message, "status": self.status}
        return {"error": {**error, "details": self.details} if self.details else error}


def invalid(message: str) -> ApiError:
    """The request is wrong whatever the state of the stack."""
    return ApiError("INVALID_ARGUMENT", message)


def precondition(message: str) -> ApiError:
    """The request is right but not in the present state."""
    return ApiError("FAILED_PRECONDITION", message)


def not_found(message: str) -> ApiError:
    """What the request names does not exist."""
    return ApiError("NOT_FOUND", message)


def unimplemented(message: str) -> ApiError:
    """Vertex AI can do it, this stack can't."""
    return ApiError("UNIMPLEMENTED", message)


def from_store(error: store.StoreError) -> ApiError:
    """The store's answer in Google's words."""
    known: dict[type[store.StoreError], str] = {
        store.NotFound: "NOT_FOUND",
        store.AlreadyExists: "ALREADY_EXISTS",
        store.Aborted: "ABORTED",
        store.Invalid: "INVALID_ARGUMENT",
    }
    if type(error) in known:
        return ApiError(known[type(error)], f"{error}.")
    return ApiError("UNAVAILABLE", "The stack's database does not answer; try again in a few seconds.")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of the allowed words, or nothing."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
