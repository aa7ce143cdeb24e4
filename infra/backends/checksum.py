"""What makes a service's container anew when a secret changes that is read at its start only."""

import hashlib
from collections.abc import Mapping

import pulumi

from infra.backends.base import REREAD


def of_secrets(key: str, secrets: Mapping[str, pulumi.Input[str]]) -> dict[str, pulumi.Output[str]]:
    """Under this key a digest of those that are not read again; as they are random, it tells nobody anything."""
    fixed = {name: value for name, value in secrets.items() if name not in REREAD}
    if not fixed:
        return {}
    known: pulumi.Output[dict[str, str]] = pulumi.Output.all(**fixed)
    digest = known.apply(lambda values: hashlib.sha256(repr(sorted(values.items())).encode()).hexdigest()[:32])
    return {key: pulumi.Output.unsecret(digest)}
