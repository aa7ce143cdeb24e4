"""Bearer tokens: HS256 JWTs signed with the stack's signing key.

Infra signs one per principal at `up`, the controllers sign one per job or model server; the API and tracking verify
them, and so does HAProxy on its own (`jwt_verify`), which is why they are JWTs.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

ALGORITHM: Final = "HS256"
ROLE_ADMIN: Final = "admin"  # everything, the gateway's routes too
ROLE_DEVELOPER: Final = "developer"  # makes and removes jobs, models, endpoints, buckets and runs, and predicts
ROLE_VIEWER: Final = "viewer"  # reads: resources, logs, usage, objects, runs; predicts not, as Vertex' viewer
ROLE_WORKLOAD: Final = "workload"  # a job or a model server: reaches its own buckets and MLflow, manages nothing
ROLES_OF_PEOPLE: Final = (ROLE_ADMIN, ROLE_DEVELOPER, ROLE_VIEWER)
ROLES_THAT_PREDICT: Final = (ROLE_ADMIN, ROLE_DEVELOPER, ROLE_WORKLOAD)


class InvalidToken(Exception):
    """The token is malformed, expired, of another stack, or not signed with this stack's key."""


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        subject: "admin", a person's name in the stack's config, or the resource name that a workload works for.
        role: one of ROLE_*; any other may do nothing.
        buckets: the only buckets that it may open; None means all of them.
    """

    subject: str
    role: str
    buckets: tuple[str, ...] | None = None

    @property
    def is_person(self) -> bool:
        """Whether this principal sees the whole stack: jobs, logs, usage, buckets."""
        return self.role in ROLES_OF_PEOPLE

    @property
    def manages(self) -> bool:
        """Whether it makes and removes resources of the stack."""
        return self.role in (ROLE_ADMIN, ROLE_DEVELOPER)

    @property
    def writes(self) -> bool:
        """Whether it writes what it may open: objects, runs."""
        return self.manages or self.role == ROLE_WORKLOAD

    def may_open(self, bucket: str) -> bool:
        """Whether this principal may read objects of the bucket, and write them if it `writes`."""
        return bucket in self.buckets if self.buckets is not None else self.is_person


@dataclass(frozen=True)
class S3Keys:
    """What an S3 client signs with; the token itself goes along as its session token."""

    access: str
    secret: str


def s3_keys(token: str, key: str) -> S3Keys:
    """The S3 keys that belong to a token. Only who has the signing key can make the secret one of it.

    Args:
        key: the stack's signing key, with which the token was signed.
    """
    access = hashlib.sha256(token.encode()).hexdigest()[:20]
    return S3Keys(f"CAIRN{access}", hmac.new(key.encode(), f"s3\0{token}".encode(), hashlib.sha256).hexdigest())


def sign(principal: Principal, stack: str, key: str, expires_in_s: float | None = None) -> str:
    """A token for the principal; without `expires_in_s` it is the same text every time (Pulumi must see no change)."""
    claims: dict[str, Any] = {"iss": stack, "sub": principal.subject, "role": principal.role}
    if principal.buckets is not None:
        claims["buckets"] = list(principal.buckets)
    if expires_in_s is not None:
        claims["exp"] = int(time.time() + expires_in_s)
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def verify(token: str, stack: str, key: str) -> Principal:
    """The principal that the token stands for.

    Raises:
        InvalidToken: with what is wrong with it; the text never holds the token.
    """
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token, key, algorithms=[ALGORITHM], issuer=stack, options={"require": ["iss", "sub"]}
        )
    except jwt.InvalidTokenError as error:
        raise InvalidToken(f"{error}; take a fresh token from `cairn env`") from error
    buckets = claims.get("buckets")
    return Principal(str(claims["sub"]), str(claims.get("role", "")), None if buckets is None else tuple(buckets))
