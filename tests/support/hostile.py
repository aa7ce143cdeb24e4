"""Hostile messages on a real stack: shared by the conformance suite and by `make chaos`."""

from collections import Counter

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.support import fuzz
from tests.support.stack import Stack

UNIMPLEMENTED = 501


def bombard(stack: Stack, requests: int, chance: int | None = None) -> Counter[int]:
    """Send so many; how often each status was the answer.

    Args:
        chance: draws other messages each time; without it they are always the same.

    Raises:
        AssertionError: a 5xx other than UNIMPLEMENTED, or a refusal that is not in Google's error model.
    """
    parent = f"projects/{stack.project}/locations/{stack.location}"
    base, statuses = httpx.URL(stack.api_endpoint), Counter[int]()
    with httpx.Client(headers=stack.headers, timeout=30) as client:

        def one(wish: fuzz.Wish) -> None:
            url = base.copy_with(raw_path=wish.target.encode("ascii"))
            answer = client.request(wish.verb, url, content=wish.body)
            statuses[answer.status_code] += 1
            assert answer.status_code < 500 or answer.status_code == UNIMPLEMENTED, (wish, answer.text)
            if answer.is_error:
                assert answer.json()["error"]["message"], (wish, answer.text)

        bounds = settings(
            max_examples=requests,
            derandomize=chance is None,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        run = bounds(given(wish=fuzz.wishes(parent))(one))
        (run if chance is None else seed(chance)(run))()
    return statuses
