"""Groups of like containers."""

import pytest

from workloads.plans.container import (
    GROUP_NAME_LENGTH,
    INDEX,
    ContainerSpec,
    Group,
    Resources,
    container_name,
    group_of,
)

TEMPLATE = ContainerSpec("job-1-0-1", "i", Resources(1, 1), env={"I": f"<{INDEX}>"}, labels={"l": f"1-{INDEX}"})


def test_each_container_has_its_number() -> None:
    """In its name, and wherever the template's variables and labels have INDEX; the template stays as it is."""
    group = Group(TEMPLATE, 2)
    assert [(c.name, c.env["I"], c.labels["l"]) for c in group.containers()] == [
        ("job-1-0-1-0", "<0>", "1-0"),
        ("job-1-0-1-1", "<1>", "1-1"),
    ]
    assert group.template.env["I"] == f"<{INDEX}>"
    assert {group_of(each.name) for each in group.containers()} == {group.name}


def test_a_name_tells_its_group() -> None:
    """Whatever the group is called."""
    assert group_of(container_name("model-e-1", 12)) == "model-e-1"


def test_refused() -> None:
    """A group without containers, and a name that leaves no room for a number."""
    with pytest.raises(ValueError, match="job-1-0-1 has 0 replicas"):
        Group(TEMPLATE, 0)
    with pytest.raises(ValueError, match="more than 57"):
        Group(ContainerSpec("x" * (GROUP_NAME_LENGTH + 1), "i", Resources(1, 1)))
