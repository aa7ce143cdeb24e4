"""Bearer tokens and what their roles stand for."""

import itertools
from functools import partial

import jwt
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
    signed = Principal("x", role)
    principal = tokens.verify(tokens.sign(signed, "s", KEY), "s", KEY, tokens.listed([signed]))
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
        token = tokens.sign(Principal("admin", tokens.ROLE_ADMIN), "s", partial(str, after))
        assert tokens.verify(token, "s", partial(str, before)).subject == "admin"


def test_another_key_of_the_ring_forgives_nothing() -> None:
    """An expired token and another stack's are refused whichever key has signed them."""
    for key in (FIRST, SECOND, THIRD):
        for wrong, words in ((("s", key, -1), "expired"), (("t", key), "issuer")):
            with pytest.raises(tokens.InvalidToken, match=words):
                tokens.verify(tokens.sign(Principal("x", tokens.ROLE_ADMIN), *wrong), "s", GENERATIONS[1])


DANA = Principal("dana", tokens.ROLE_DEVELOPER)
NEXT = Principal("dana", tokens.ROLE_DEVELOPER, generation=2)


def test_a_person_is_who_the_file_names() -> None:
    """Taken out, in another role or of another generation, a person's token is refused, with what to do."""
    people = [DANA, Principal("vic", tokens.ROLE_VIEWER)]
    verify = tokens.verifier("s", KEY, lambda: tokens.listed(people).rstrip("\n"))
    token, after = tokens.sign(DANA, "s", KEY), tokens.sign(NEXT, "s", KEY)
    assert verify(token) == DANA
    for instead in ([], [Principal("dana", tokens.ROLE_VIEWER)], [Principal("dana", tokens.ROLE_ADMIN)], [NEXT]):
        people[:] = [*instead, Principal("vic", tokens.ROLE_VIEWER)]
        with pytest.raises(
            tokens.InvalidToken, match=r"dana's token .*developer, generation 1\) was revoked"
        ) as refused:
            verify(token)
        assert token not in str(refused.value)
        assert "cairn env --as dana" in str(refused.value)
    assert verify(after) == NEXT
    people[:] = [DANA]
    assert verify(token) == DANA
    with pytest.raises(tokens.InvalidToken, match="generation 2"):
        verify(after)


def test_tokens_of_the_last_release_are_of_the_first_generation() -> None:
    """A token without the claim is good where its holder is named with its role, and is the text that is signed now."""
    before = jwt.encode({"iss": "s", "sub": "dana", "role": "developer"}, KEY, algorithm="HS256")
    assert tokens.sign(DANA, "s", KEY) == before
    assert tokens.verify(before, "s", KEY, tokens.listed([DANA])) == DANA


@pytest.mark.parametrize("name", tokens.OWN)
def test_the_stack_s_own_are_named_by_nobody(name: str) -> None:
    """The admin and the services are governed by the key alone, workloads by it and their end."""
    for own in (Principal(name, tokens.ROLE_ADMIN), Principal("projects/p", tokens.ROLE_WORKLOAD, ("b",))):
        for people in ("", tokens.NOBODY):
            assert tokens.verify(tokens.sign(own, "s", KEY), "s", KEY, people) == own
    for wrong in (Principal(name, tokens.ROLE_VIEWER), Principal(name, tokens.ROLE_ADMIN, generation=2)):
        with pytest.raises(tokens.InvalidToken, match="revoked"):
            tokens.verify(tokens.sign(wrong, "s", KEY), "s", KEY)
