"""The stack's config reaches the rules, and its secrets do not. That the engine tells it: tests/integration/cluster."""

import json
import os
from typing import Any

import pytest
from pulumi.runtime.proto import analyzer_pb2
from pulumi_policy import policy as sdk

from policies import stack_config

SERVICER: Any = sdk._PolicyAnalyzerServicer


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the SDK itself got to see; its class is as before afterwards."""
    seen: list[object] = []
    monkeypatch.setattr(SERVICER, "ConfigureStack", lambda self, request, context: seen.append(request))
    monkeypatch.setenv(stack_config.VARIABLE, "{}")
    stack_config.receive()
    return seen


def test_received(told: list[object]) -> None:
    """Plain settings are kept for the rules, secrets are not kept at all, and the SDK hears everything."""
    config = {"cairn:kubernetes": json.dumps({"expose": "LoadBalancer"}), "cairn:secret": "hunter2"}
    request = analyzer_pb2.AnalyzerStackConfigureRequest(config=config, config_secret_keys=["cairn:secret"])
    SERVICER.ConfigureStack(None, request, None)
    assert stack_config.section("cairn:kubernetes") == {"expose": "LoadBalancer"}
    assert "hunter2" not in os.environ[stack_config.VARIABLE]
    assert told == [request]


@pytest.mark.parametrize("config", [{}, {"cairn:kubernetes": ""}, {"cairn:kubernetes": "[1]"}])
def test_nothing_set(config: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that is missing or no section is an empty one."""
    monkeypatch.setenv(stack_config.VARIABLE, json.dumps(config))
    assert stack_config.section("cairn:kubernetes") == {}
