"""What a place lacks: an `up` fails with all of it before anything is made, a preview only warns."""

import pulumi
import pytest

from infra import host
from infra.reading import SettingsError


def test_up_fails_and_preview_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same problem ends an `up` and is only a warning in a preview."""
    warned = list[str]()
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    host.check(["the Docker engine has 1 cores"])
    assert warned == ["`pulumi up` would fail here: the Docker engine has 1 cores"]
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    with pytest.raises(SettingsError, match="the Docker engine has 1 cores"):
        host.check(["the Docker engine has 1 cores"])


def test_nothing_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a problem nothing is said and nothing fails."""
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: False)
    host.check([])
