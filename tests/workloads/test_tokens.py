"""Bearer tokens and what their roles stand for."""

import pytest

from workloads import tokens
from workloads.tokens import Principal

KEY = "a key that is long enough for HS256 to be happy"


@pytest.mark.parametrize(
    ("role", "sees", "writes", "manages"),
    [
        (tokens.ROLE_ADMIN, True, True, True),
        (tokens.ROLE_DEVELOPER, True, True, True),
        (tokens.ROLE_VIEWER, True, False, False),
        (tokens.ROLE_WORKLOAD, False, True, False),
        ("", False, False, False),
        ("Admin", False, False, False),
    ],
)
def test_roles(role: str, sees: bool, writes: bool, manages: bool) -> None:
    """What each role may; a role that nobody knows, however it is spelled, may nothing and opens no bucket."""
    principal = tokens.verify(tokens.sign(Principal("x", role), "s", KEY), "s", KEY)
    assert (principal.is_person, principal.writes, principal.manages) == (sees, writes, manages)
    assert principal.may_open("any") is sees
    assert not Principal("x", role, ("own",)).may_open("any")
