"""References to variables, as Vertex and Kubernetes have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.plans import environment, pods


@pytest.mark.parametrize(
    ("text", "is_"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$(none)", "$(none)"),
        ("$()", "$()"),
        ("$A ${A} 5$ $( $", "$A ${A} 5$ $( $"),
        ("$($(A))", "$($(A))"),
        ("$(LOOP)", "$(A)"),
    ],
)
def test_expand(text: str, is_: str) -> None:
    """Known names are replaced, once; $$ is a $; all else is left alone."""
    assert environment.expand(text, {"A": "1", "B": "2", "LOOP": "$(A)"}) == is_


def test_whose_variables_win() -> None:
    """The user's over the platform's, the contract's over the user's, also in references; order counts."""
    user = {"HOME": "/data", "X": "$(HOME)/$(MODE)/$(Y)", "Y": "y", "MODE": "mine"}
    found = environment.variables({"HOME": "/tmp", "P": "p"}, user, {"MODE": "its"})
    assert found == {"HOME": "/data", "P": "p", "MODE": "its", "X": "/data/its/$(Y)", "Y": "y"}


@given(st.text(alphabet="$()AB x"))
def test_what_is_literal_for_kubernetes(text: str) -> None:
    """Kubernetes, which would expand once more, leaves a plan's text as it is."""
    assert environment.expand(pods.literal(text), {"A": "1", "B": "2"}) == text
