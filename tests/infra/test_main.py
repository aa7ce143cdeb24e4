"""The program itself: which outputs a stack has, and how a mistake in its config is shown."""

import runpy
from typing import Any

import pulumi
import pytest

from infra import tokens
from tests.infra.program import ENGINE, declare
from tests.infra.test_settings import GOOD, as_pulumi


def program(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> dict[str, Any]:
    """Run infra/__main__.py with good settings, changed; its exports."""
    settings = as_pulumi({**GOOD, "accelerators": {}, **changes})
    exported: dict[str, Any] = {}
    pulumi.runtime.set_all_config({f"cairn:{key}": value for key, value in settings.items()})
    monkeypatch.setattr("infra.backends.docker.backend.inspect", lambda stack: ENGINE)
    monkeypatch.setattr("infra.backends.docker.host.problems", lambda settings, engine: [])
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    try:
        runpy.run_module("infra", run_name="__main__")
    finally:
        pulumi.runtime.set_all_config({})
    return exported


def test_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly the outputs of infra/tokens.py; credentials are secret, addresses are not."""
    declared = declare(lambda: program(monkeypatch))
    assert set(declared.outputs) == {value for key, value in vars(tokens).items() if key.startswith("OUTPUT_")}
    assert {name for name, secret in declared.secrets.items() if secret} == {"token", "accessKey", "secretKey"}
    assert declared.outputs["apiEndpoint"] == "http://127.0.0.1:8080"


def test_wrong_settings_are_shown_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake ends the program with Pulumi's RunError, which shows the text only, and nothing is declared."""
    with pytest.raises(pulumi.RunError, match='did you mean "currency"'):
        declare(lambda: program(monkeypatch, currancy="EUR"))
