"""Cloud Storage's JSON errors, and what the S3 server's errors mean in their terms.

Raised anywhere in workloads/api/storage, turned into an answer in dispatch.py.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse

REASONS: Final = {
    400: "invalid",
    401: "required",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    411: "required",
    412: "conditionNotMet",
    413: "uploadTooLarge",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    501: "notImplemented",
    503: "backendError",
    507: "quotaExceeded",
}


@dataclass(eq=False)
class StorageError(Exception):
    """An answer other than success: the HTTP status and what was wrong, where, and what to do."""

    status: int
    message: str

    def to_response(self) -> JSONResponse:
        """The error as Google's clients read it."""
        reason = REASONS.get(self.status, HTTPStatus(self.status).phrase)
        detail = {"message": self.message, "domain": "global", "reason": reason}
        headers = {"WWW-Authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else None
        body = {"error": {"code": self.status, "message": self.message, "errors": [detail]}}
        return JSONResponse(body, self.status, headers)


@dataclass(eq=False)
class S3Error(Exception):
    """The S3 server refused: its HTTP status, its error code and its own words."""

    status: int
    code: str
    message: str


# What the S3 server's codes mean for a caller of Cloud Storage; any other code keeps its status and its words.
_MEANINGS: Final = {
    "BucketAlreadyExists": (409, "A bucket with this name exists already; bucket names are shared by the whole stack."),
    "BucketAlreadyOwnedByYou": (409, "A bucket with this name exists already; bucket names are shared by the stack."),
    "BucketNotEmpty": (409, "The bucket is not empty; delete its objects first (Bucket.delete(force=True) does)."),
    "DirectoryObjectContainsData": (
        400,
        "An object whose name ends in '/' can only be empty here: the store keeps it as a folder.",
    ),
    "ExistingObjectIsDirectory": (
        400,
        "Objects exist below this name followed by '/'; the store keeps files, so 'x' and 'x/y' can't both exist.",
    ),
    "ObjectParentIsFile": (
        400,
        "Part of this name is itself an object; the store keeps files, so 'x' and 'x/y' can't both exist.",
    ),
    "InternalError": (503, "The object store failed to do this; try again, then look at its log (object-store)."),
    "KeyTooLongError": (400, "The object name is too long: at most 1024 bytes, and 255 between two slashes."),
    "MetadataTooLarge": (400, "The object's custom metadata is too large: the store keeps at most 2 KiB of it."),
    "NoSuchBucket": (404, "The specified bucket does not exist."),
    "NoSuchKey": (404, "The specified object does not exist."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "BadDigest": (400, "The content's MD5 does not match the one that was sent with it; upload it again."),
    "QuotaExceeded": (507, "The object store's disk quota is used up; delete objects or give it more room."),
    "InsufficientStorage": (507, "The object store's disk is full; delete objects or give it more room."),
}


def from_s3(error: S3Error, what: str) -> StorageError:
    """The S3 server's refusal in Cloud Storage's terms; `what` names the bucket or object."""
    status, message = _MEANINGS.get(error.code, (error.status, f"{error.message} ({error.code})"))
    if error.code in ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):  # callers were checked before
        status, message = 503, "The object store refuses the API's credentials; run `pulumi up` to renew them."
    return StorageError(503 if status in (500, 502, 504) else status, f"{what}: {message}")
