"""Google's error model. ApiError is raised anywhere below the app, which turns it into the answer."""

import difflib
from collections.abc import Iterable
from typing import Any, Final

from workloads.plans.errors import InvalidWish
from workloads.registry import RegistryError
from workloads.store import StoreError

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
# The store's and the registry's errors are named alike. Unavailable is not among them: its text tells of hosts inside.
_NAMES: Final = {
    "NotFound": "NOT_FOUND",
    "AlreadyExists": "ALREADY_EXISTS",
    "Aborted": "ABORTED",
    "FailedPrecondition": "FAILED_PRECONDITION",
    "Invalid": "INVALID_ARGUMENT",
}
_HINTS: Final = {"NOT_FOUND": "; list the collection to see what there is", "ALREADY_EXISTS": "; choose another id"}


class ApiError(Exception):
    """An answer other than success.

    Attributes:
        status: Google's name of the error, a key of CODES.
        message: what was wrong, where, and what to do.
    """

    def __init__(self, status: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message.encode("utf-8", "backslashreplace").decode()  # what is quoted may hold half a character
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


def translate(error: Exception) -> ApiError | None:
    """The store's, the registry's and the plans' answers in Google's words; None for what nobody foresaw."""
    if isinstance(error, InvalidWish):
        return invalid(f"{error}.")
    if not isinstance(error, (StoreError, RegistryError)):
        return None
    status = _NAMES.get(type(error).__name__)
    if status is None:
        engine = "database" if isinstance(error, StoreError) else "model registry (MLflow)"
        return ApiError("UNAVAILABLE", f"The stack's {engine} does not answer; try again in a few seconds.")
    return ApiError(status, f"{error}{_HINTS.get(status, '')}.")


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of the allowed words, or nothing."""
    found = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""
