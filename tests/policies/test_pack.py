"""The pack as Pulumi's engine sees it."""

import re

import pytest

from policies.rules import ALL


def test_names_are_unique() -> None:
    """A name twice would make one of the rules unreachable for a policy config."""
    assert len({rule.name for rule in ALL}) == len(ALL)


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.name)
def test_names_and_descriptions(rule: object) -> None:
    """Names are Pulumi's form, descriptions are sentences."""
    assert re.fullmatch(r"[a-z][a-z-]{1,100}", vars(rule)["name"])
    assert vars(rule)["description"].endswith(".")


@pytest.mark.parametrize("rule", [each for each in ALL if each.config_schema], ids=lambda rule: rule.name)
def test_every_setting_has_a_default_and_a_description(rule: object) -> None:
    """The pack works without a policy config."""
    for setting in vars(rule)["config_schema"].properties.values():
        assert "default" in setting
        assert setting["description"]
