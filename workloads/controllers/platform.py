"""What every controller works with: settings, store, engine, the registry, and the keys of workloads' tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from workloads import tokens
from workloads.config import PlatformConfig
from workloads.controllers.engines.base import Engine
from workloads.store import Store

OWN_TOKEN_LIFETIME_S: Final = 300.0
Json = dict[str, Any]


class Models(Protocol):
    """The model registry, as far as controllers need it."""

    def get(self, name: str) -> Json:
        """The Model message of projects/…/models/<id>[@version or alias], with `name` and `versionId`.

        Raises:
            LookupError: there is no such model or version.
        """

    def upload(self, model: Json, *, model_id: str, parent_model: str, key: str) -> Json:
        """A new version or model, once for each `key`; the message has `name` and `versionId`."""


class Gateway(Protocol):
    """The gateway's agent."""

    def routes(self) -> Any:
        """The table that it has."""

    def put_routes(self, table: Any) -> None:
        """Replace the table; returns once it is in effect."""

    def measures(self) -> Any:
        """What each deployed model has answered, as `GET /measures` of the agent says it."""

    def wakes(self, after: int) -> Any:
        """Waits for news: {"number", "endpoints" that requests are held for}."""


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


def timestamp(time: datetime) -> str:
    """As proto3 JSON writes a Timestamp."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def duration_s(text: object, default: float) -> float:
    """Seconds of a proto3 JSON Duration ("3.5s"); the default when it is empty."""
    return float(str(text).removesuffix("s")) if text else default


@dataclass(frozen=True)
class Platform:
    """Shared by all controllers; safe to use from several threads."""

    config: PlatformConfig
    store: Store
    engine: Engine
    models: Models
    gateway: Gateway
    keys: tokens.Keys
    now: Callable[[], datetime] = utc_now

    def token(self, subject: str, buckets: tuple[str, ...], lifetime_s: float) -> str:
        """A token of a job's or model server's own."""
        principal = tokens.Principal(subject, tokens.ROLE_WORKLOAD, buckets)
        return tokens.sign(principal, self.config.stack, self.keys, lifetime_s)

    def s3_keys(self, token: str) -> tuple[str, str]:
        """Access and secret key that belong to a token."""
        found = tokens.s3_keys(token, self.keys)
        return found.access, found.secret


def own_token(config: PlatformConfig, keys: tokens.Keys) -> str:
    """The controllers' own, for one question to another service of the stack."""
    return tokens.sign(tokens.Principal("controllers", tokens.ROLE_ADMIN), config.stack, keys, OWN_TOKEN_LIFETIME_S)


def error(code: int, message: str) -> Mapping[str, Any]:
    """A google.rpc.Status."""
    return {"code": code, "message": message}
