"""The program itself: which outputs a stack has, and how a mistake in its config is shown."""

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import tokens
from tests.infra.program import ENGINE, declare
from tests.infra.test_settings import CLUSTERED, GOOD, as_pulumi
from workloads import contract
from workloads.config import ClusterConfig, PlatformConfig


def program(monkeypatch: pytest.MonkeyPatch, base: Mapping[str, Any] = GOOD, **changes: Any) -> dict[str, Any]:
    """Run infra/__main__.py with good settings, changed; its exports."""
    settings = as_pulumi({**base, "accelerators": {}, **changes})
    exported: dict[str, Any] = {}
    pulumi.runtime.set_all_config({f"cairn:{key}": value for key, value in settings.items()})
    monkeypatch.setattr("infra.backends.docker.backend.inspect", lambda stack: ENGINE)
    monkeypatch.setattr("infra.backends.docker.host.problems", lambda settings, engine: [])
    monkeypatch.setattr("infra.backends.kubernetes.host.inspect", lambda access, stack: None)
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
    assert {name for name, secret in declared.secrets.items() if secret} == {
        "token",
        "tokens",
        "accessKey",
        "secretKey",
    }
    assert declared.outputs["apiEndpoint"] == "http://127.0.0.1:8080"


def test_outputs_of_a_stack_on_kubernetes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same outputs; controllers and API are told of their engine and its names."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text('{"current-context": "here", "contexts": [{"name": "here", "context": {}}]}')
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    declared = declare(lambda: program(monkeypatch, CLUSTERED))
    assert set(declared.outputs) == {value for key, value in vars(tokens).items() if key.startswith("OUTPUT_")}
    assert declared.outputs["apiEndpoint"] == "http://127.0.0.1:30080"
    (container,) = declared.pods()["controllers"]["spec"]["containers"]
    (text,) = [each["value"] for each in container["env"] if each["name"] == contract.ENV_CONFIG]
    config = PlatformConfig.from_json(text.replace("$$", "$"))
    assert (config.engine, config.replica_domain, config.balanced) == ("kubernetes", "workloads", True)
    assert config.cluster == ClusterConfig("cairn-test", "cairn-test-jobs", "cairn-test-servers", beside="object-store")
    assert config.object_store_volume == ""  # no seccomp profile, no folders


def test_wrong_settings_are_shown_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake ends the program with Pulumi's RunError, which shows the text only, and nothing is declared."""
    with pytest.raises(pulumi.RunError, match='did you mean "currency"'):
        declare(lambda: program(monkeypatch, currancy="EUR"))
