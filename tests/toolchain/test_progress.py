"""What the user sees of a Pulumi run."""

import json
from typing import Any

from toolchain.stack.progress import Progress

URN = "urn:pulumi:local::cairn::cairn:platform:Api$docker:index/container:Container::api"


def _progress() -> tuple[Progress, list[str]]:
    lines: list[str] = []
    times = iter(range(100))
    return Progress(lines.append, lambda: float(next(times))), lines


def _step(kind: str, op: str) -> str:
    return json.dumps({kind: {"metadata": {"op": op, "urn": URN, "type": "docker:index/container:Container"}}})


def _diagnostic(severity: str, message: str, **more: Any) -> str:
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": message, "urn": URN, **more}})


def test_a_line_for_what_changed_with_its_time() -> None:
    """The time is from the start of the operation to its end."""
    progress, lines = _progress()
    progress.line(_step("resourcePreEvent", "create"))
    progress.line(_step("resOutputsEvent", "create"))
    assert lines == ["  ✓ Container api created (1.0 s)"]
    assert progress.changed == 1


def test_what_stays_the_same_is_not_shown() -> None:
    """A run without changes prints nothing and counts nothing."""
    progress, lines = _progress()
    for op in ("same", "read", "refresh"):
        progress.line(_step("resourcePreEvent", op))
        progress.line(_step("resOutputsEvent", op))
    assert lines == []
    assert progress.changed == 0


def test_errors_are_kept_whole_and_shown_once() -> None:
    """The engine reports an error on the resource and on the stack: the text is the user's only once, all its lines."""
    progress, lines = _progress()
    progress.line(_diagnostic("error", "first line\nsecond line\n"))
    progress.line(_diagnostic("error", "first line\nsecond line\n"))
    progress.line(_step("resOpFailedEvent", "update"))
    assert progress.errors == ["api: first line\nsecond line"]
    assert lines == ["  ✗ Container api not updated (0.0 s)"]


def test_debugging_is_hidden_and_the_programs_own_prints_are_shown() -> None:
    """Info and warnings come at once, with the resource they are about."""
    progress, lines = _progress()
    progress.line(_diagnostic("debug", "noise"))
    progress.line(_diagnostic("info", "still pulling", ephemeral=True))
    progress.line(_diagnostic("warning", "deprecated"))
    assert lines == ["    api: deprecated"]


def test_a_mandatory_policy_is_an_error_an_advisory_one_is_not() -> None:
    """Violations name the policy and the resource."""
    progress, lines = _progress()
    event = {"policyName": "memory", "resourceUrn": URN, "message": "set a limit\n"}
    progress.line(json.dumps({"policyEvent": {**event, "enforcementLevel": "mandatory"}}))
    progress.line(json.dumps({"policyEvent": {**event, "policyName": "hint", "enforcementLevel": "advisory"}}))
    assert progress.errors == ["policy memory: api: set a limit"]
    assert lines == ["    policy hint: api: set a limit"]


def test_what_the_cli_says_itself_is_not_lost() -> None:
    """A line that is no event is a message of the CLI: an error before the engine started, for instance."""
    progress, lines = _progress()
    progress.line("error: no Pulumi.yaml project file found\n")
    progress.line("warning: something\n")
    assert progress.errors == ["error: no Pulumi.yaml project file found"]
    assert lines == ["    warning: something"]
