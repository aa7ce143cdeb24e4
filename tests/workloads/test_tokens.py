"""Bearer tokens and what their roles stand for."""

import itertools
from functools import partial

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


FIRST, SECOND, THIRD, FOURTH = (f"{each} signing key of thirty-two characters" for each in ("1st", "2nd", "3rd", "4th"))
GENERATIONS = (f"{FIRST}\n{SECOND}", f"{SECOND}\n{FIRST}\n{THIRD}", f"{THIRD}\n{SECOND}\n{FOURTH}")


def test_a_token_outlives_one_rotation_and_not_two() -> None:
    """What the ring before has signed is good with the next one, its S3 keys are the same, and then it is refused."""
    token = tokens.sign(Principal("x", tokens.ROLE_WORKLOAD, ("b",)), "s", GENERATIONS[0])
    for ring in GENERATIONS[:2]:
        assert tokens.verify(token, "s", ring).subject == "x"
        assert tokens.s3_keys(token, ring) == tokens.s3_keys(token, FIRST)
    with pytest.raises(tokens.InvalidToken, match="Signature"):
        tokens.verify(token, "s", GENERATIONS[2])
    with pytest.raises(tokens.InvalidToken, match="Signature"):
        tokens.s3_keys(token, GENERATIONS[2])


def test_who_has_not_heard_of_a_rotation_takes_the_new_tokens() -> None:
    """The next key verifies before it signs, so services may hear of a rotation in any order, at any time."""
    for before, after in itertools.pairwise(GENERATIONS):
        token = tokens.sign(Principal("x", tokens.ROLE_ADMIN), "s", partial(str, after))
        assert tokens.verify(token, "s", partial(str, before)).subject == "x"


def test_another_key_of_the_ring_forgives_nothing() -> None:
    """An expired token and another stack's are refused whichever key has signed them."""
    for key in (FIRST, SECOND, THIRD):
        for wrong, words in ((("s", key, -1), "expired"), (("t", key), "issuer")):
            with pytest.raises(tokens.InvalidToken, match=words):
                tokens.verify(tokens.sign(Principal("x", tokens.ROLE_ADMIN), *wrong), "s", GENERATIONS[1])
