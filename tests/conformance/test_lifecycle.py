"""What Pulumi's users rely on: no-op, heal, exact changes, previews that change nothing, secrets that stay secret."""

from pathlib import Path

import pytest

from tests.support.pulumi_cli import steps
from tests.support.stack import POLICIES, Stack
from workloads import contract

REPLACES = {"replace", "create-replacement", "delete-replaced"}


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    """An `up` of an unchanged stack plans and makes no change, and a refresh finds none either."""
    assert stack.changes("up") == {}
    assert stack.changes("refresh") == {}


def test_preview_is_clean_under_the_policies(stack: Stack) -> None:
    """The running stack previews without a change and without a violation of the policies."""
    assert stack.changes("preview", *POLICIES) == {}


@pytest.mark.parametrize("service", [contract.GATEWAY_HOST, contract.TRACKING_HOST])
def test_removed_by_hand(stack: Stack, service: str) -> None:
    """A service removed by hand is found by refresh and made anew by up, and nothing else is touched."""
    stack.site.remove(stack.name, service)
    assert stack.changes("refresh") == {"delete": 1}
    assert stack.changes("up") == {"create": 1}
    stack.wait_healthy()
    assert stack.changes("up") == {}


def test_edited_by_hand(stack: Stack) -> None:
    """A service's limit changed by hand is found by refresh and put back by up, and nothing else is touched."""
    stack.site.edit(stack.name, contract.GATEWAY_HOST)
    assert stack.changes("refresh") == {"update": 1}
    assert stack.changes("up") == {"update": 1}
    stack.wait_healthy()
    assert stack.changes("refresh") == {}


def test_a_changed_setting_touches_only_its_services(stack: Stack, tmp_path: Path) -> None:
    """A setting of API and controllers changes these two and nothing else; its preview changes nothing."""
    changed = stack.config_with(tmp_path, currency="EUR")
    planned = steps(stack.pulumi("preview", "--json", config=changed))
    assert set(planned) <= {*REPLACES, "update"}, planned
    assert set.union(*planned.values()) == {contract.API_HOST, contract.CONTROLLERS_HOST}
    assert stack.changes("preview") == {}


def test_everything_is_confined(stack: Stack) -> None:
    """Every container runs as a user, without privileges and capabilities, limited, and out of the engine's reach."""
    assert stack.site.soft_spots(stack.name) == []


def test_a_misspelt_setting_stops_everything(stack: Stack, tmp_path: Path) -> None:
    """A misspelt key stops `up` with the key, the nearest match and what is allowed; nothing has changed."""
    with pytest.raises(AssertionError, match=r"currancy[\s\S]*currency"):
        stack.changes("up", config=stack.config_with(tmp_path, currancy="EUR"))
    assert stack.changes("preview") == {}
