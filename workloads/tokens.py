"""Bearer tokens: HS256 JWTs signed with the stack's signing key.

Infra signs one per principal at `up`, the controllers sign one per job or model server; the API and tracking verify
them, and so does HAProxy on its own (`jwt_verify`), which is why they are JWTs.

The key is a ring of keys, one a line: the first signs, all verify. Beside the current key it holds the one before,
whose tokens are still good, and the next, so that every service knows a key before any service signs with it.

A person's token has no end, so it is good for as long as a second file names its holder, role and generation: what
infra writes there takes effect on tokens that are out already. Workloads' tokens end by themselves.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import jwt

Live = str | Callable[[], str]  # a file's text, or what gives it as it is now (contract.SecretFile)
Keys = Live  # a ring
People = Live  # whose tokens are good: Principal.entry, one a line
FILE_PEOPLE: Final = "people"  # their file, beside contract.SECRET_SIGNING_KEY; changes while its readers run too
NOBODY: Final = "\n"  # that file's text when it names none: one without a final newline is not whole

ALGORITHM: Final = "HS256"
ROLE_ADMIN: Final = "admin"  # everything, the gateway's routes too
ROLE_DEVELOPER: Final = "developer"  # makes and removes jobs, models, endpoints, buckets and runs, and predicts
ROLE_VIEWER: Final = "viewer"  # reads: resources, logs, usage, objects, runs; predicts not, as Vertex' viewer
ROLE_WORKLOAD: Final = "workload"  # a job or a model server: reaches its own buckets and MLflow, manages nothing
ROLES_OF_PEOPLE: Final = (ROLE_ADMIN, ROLE_DEVELOPER, ROLE_VIEWER)
ROLES_THAT_PREDICT: Final = (ROLE_ADMIN, ROLE_DEVELOPER, ROLE_WORKLOAD)
OWN: Final = ("admin", "api", "controllers", "platform", "tracking")  # the stack's admin, and services among each other


class InvalidToken(Exception):
    """The token is malformed, expired, revoked, of another stack, or not signed with this stack's key."""


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        subject: one of OWN, a person's name in the stack's config, or the resource name that a workload works for.
        role: one of ROLE_*; any other may do nothing.
        buckets: the only buckets that it may open; None means all of them.
        generation: of a person's token; the operator raises it to revoke those before.
    """

    subject: str
    role: str
    buckets: tuple[str, ...] | None = None
    generation: int = 1

    @property
    def entry(self) -> str:
        """How the people's file names the tokens that are good for this principal."""
        return f"{self.subject}/{self.role}/{self.generation}"

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


Verify = Callable[[str], Principal]  # whom a token stands for; raises InvalidToken


def _text(live: Live) -> str:
    return live() if callable(live) else live


def ring(keys: Keys) -> tuple[str, ...]:
    """The keys one by one; the first signs."""
    return tuple(_text(keys).splitlines())


def listed(people: Iterable[Principal]) -> str:
    """Their file's text."""
    return "".join(f"{each.entry}\n" for each in people) or NOBODY


def named(people: People) -> frozenset[str]:
    """The entries of everybody whose token is good until it is revoked."""
    return frozenset((*(Principal(name, ROLE_ADMIN).entry for name in OWN), *_text(people).splitlines()))


def signer(keys: Keys) -> str:
    """A name of the key that signs now, which tells nothing of it: another name is another key."""
    return hashlib.sha256(f"signer\0{ring(keys)[0]}".encode()).hexdigest()[:16]


def s3_keys(token: str, keys: Keys) -> S3Keys:
    """The S3 keys that belong to a token. Only who has the key that signed it can make the secret one of it.

    Raises:
        InvalidToken: none of the keys has signed it.
    """
    key, _ = _opened(token, keys, options={"verify_exp": False})
    access = hashlib.sha256(token.encode()).hexdigest()[:20]
    return S3Keys(f"CAIRN{access}", hmac.new(key.encode(), f"s3\0{token}".encode(), hashlib.sha256).hexdigest())


def sign(principal: Principal, stack: str, keys: Keys, expires_in_s: float | None = None) -> str:
    """A token for the principal; without `expires_in_s` it is the same text every time (Pulumi must see no change)."""
    claims: dict[str, Any] = {"iss": stack, "sub": principal.subject, "role": principal.role}
    if principal.buckets is not None:
        claims["buckets"] = list(principal.buckets)
    if principal.generation > 1:  # tokens from before there were generations are of the first
        claims["generation"] = principal.generation
    if expires_in_s is not None:
        claims["exp"] = int(time.time() + expires_in_s)
    return jwt.encode(claims, ring(keys)[0], algorithm=ALGORITHM)


def verify(token: str, stack: str, keys: Keys, people: People = "") -> Principal:
    """The principal that the token stands for.

    Args:
        people: whose tokens are good; nobody's but those of OWN and of workloads where it is left out.

    Raises:
        InvalidToken: with what is wrong with it; the text never holds the token.
    """
    _, claims = _opened(token, keys, issuer=stack, options={"require": ["iss", "sub"]})
    buckets, generation = claims.get("buckets"), claims.get("generation", 1)
    within = None if buckets is None else tuple(buckets)
    principal = Principal(str(claims["sub"]), str(claims.get("role", "")), within, generation)
    if principal.role != ROLE_WORKLOAD and principal.entry not in named(people):
        who = principal.subject
        raise InvalidToken(
            f"{who}'s token (role {principal.role or 'none'}, generation {generation}) was revoked or replaced; take a "
            f"fresh one from `cairn env --as {who}`, which is good everywhere after at most two minutes"
        )
    return principal


def verifier(stack: str, keys: Keys, people: People) -> Verify:
    """`verify` for the tokens of one stack, by what its files say with each call."""
    return partial(verify, stack=stack, keys=keys, people=people)


def _opened(token: str, keys: Keys, **checks: Any) -> tuple[str, Mapping[str, Any]]:
    """The key that signed the token, and its claims."""
    *others, last = ring(keys)
    try:
        for key in others:
            with suppress(jwt.InvalidSignatureError):
                return key, jwt.decode(token, key, algorithms=[ALGORITHM], **checks)
        return last, jwt.decode(token, last, algorithms=[ALGORITHM], **checks)
    except jwt.InvalidTokenError as error:
        raise InvalidToken(f"{error}; take a fresh token from `cairn env`") from error
