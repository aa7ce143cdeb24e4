"""What the backends declare keeps every rule, with the pack's defaults."""

from pathlib import Path

import pytest

from tests.policies.platform import BACKENDS, STACKS, committed, declared
from tests.policies.support import refusals, resource, stack_complaints


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_resource_is_accepted(backend: str) -> None:
    """No rule has anything against any resource of the platform, on either backend."""
    refused = {f"{each.type} {each.name}": refusals(each.type, each.props) for each in declared(backend)}
    assert {name: said for name, said in refused.items() if said} == {}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["network-default-deny", "stack-budget"])
def test_the_whole_stack_is_accepted(backend: str, name: str) -> None:
    """Nor against the stack as a whole."""
    assert stack_complaints(name, [resource(each.type, each.props) for each in declared(backend)]) == []


@pytest.mark.parametrize("stack", STACKS, ids=lambda stack: stack.name)
def test_committed_stacks_are_accepted(stack: Path) -> None:
    """The stacks of this repository keep every rule without a policy config."""
    made = committed(stack)
    assert {each.name: said for each in made if (said := refusals(each.type, each.props))} == {}
    for name in ("network-default-deny", "stack-budget"):
        assert stack_complaints(name, [resource(each.type, each.props) for each in made]) == []


def test_both_backends_take_the_same() -> None:
    """The same stack has the same limits on both."""
    limits = {"cpu": -1.0, "memoryGib": -1.0, "gpus": 99.0, "storageGib": 999.0, "pricePerHour": 999.0}
    docker, kubernetes = (
        stack_complaints("stack-budget", [resource(each.type, each.props) for each in declared(backend)], limits)
        for backend in BACKENDS
    )
    assert len(docker) == 2
    assert docker == kubernetes
