"""Turns the engine's events into one line for each resource that changed, and whole errors.

Called by stack/commands.py with each line that `pulumi up|destroy --json` prints. Pure, apart from its clock.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Report = Callable[[str], None]
UNCHANGED = ("same", "read", "refresh")
DONE = {
    "create": "created",
    "update": "updated",
    "delete": "deleted",
    "create-replacement": "created anew",
    "delete-replaced": "deleted the old one",
    "replace": "replaced",
    "discard-replaced": "forgot the old one",
    "import": "imported",
}


@dataclass
class Progress:
    """What has been seen of one run."""

    report: Report
    clock: Callable[[], float]
    changed: int = 0
    errors: list[str] = field(default_factory=list)
    _started: dict[tuple[str, str], float] = field(default_factory=dict)

    def line(self, line: str) -> None:
        """Take one line of the stream; what is not an event is a message of the CLI itself."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._message(line.strip(), is_error=line.startswith("error:"))
            return
        for kind, handle in self._handlers().items():
            if kind in event:
                handle(event[kind])

    def _handlers(self) -> dict[str, Callable[[dict[str, Any]], None]]:
        return {
            "resourcePreEvent": self._start,
            "resOutputsEvent": self._finish,
            "resOpFailedEvent": self._fail,
            "diagnosticEvent": self._diagnostic,
            "policyEvent": self._policy,
        }

    def _start(self, event: dict[str, Any]) -> None:
        self._started[_key(event)] = self.clock()

    def _finish(self, event: dict[str, Any]) -> None:
        step = event["metadata"]["op"]
        if step in UNCHANGED:
            return
        self.changed += 1
        self.report(f"  ✓ {_title(event)} {DONE.get(step, step)} ({self._seconds(event)})")

    def _fail(self, event: dict[str, Any]) -> None:
        self.report(f"  ✗ {_title(event)} not {DONE.get(event['metadata']['op'], 'done')} ({self._seconds(event)})")

    def _seconds(self, event: dict[str, Any]) -> str:
        now = self.clock()
        return f"{now - self._started.get(_key(event), now):.1f} s"

    def _diagnostic(self, event: dict[str, Any]) -> None:
        if event["severity"] == "debug" or event.get("ephemeral"):
            return
        where = f"{_name(event['urn'])}: " if event.get("urn") else ""
        self._message(where + event["message"].strip(), is_error=event["severity"] == "error")

    def _policy(self, event: dict[str, Any]) -> None:
        mandatory = event["enforcementLevel"] == "mandatory"
        name = _name(event["resourceUrn"]) if event.get("resourceUrn") else "the stack"
        self._message(f"policy {event['policyName']}: {name}: {event['message'].strip()}", is_error=mandatory)

    def _message(self, text: str, is_error: bool) -> None:
        """Errors are kept for the end, where they are read; each is shown once."""
        if not text or text in self.errors:
            return
        if is_error:
            self.errors.append(text)
        else:
            self.report(f"    {text}")


def _key(event: dict[str, Any]) -> tuple[str, str]:
    return event["metadata"]["urn"], event["metadata"]["op"]


def _name(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def _title(event: dict[str, Any]) -> str:
    kind = event["metadata"]["type"].rsplit(":", 1)[-1]
    return f"{kind} {_name(event['metadata']['urn'])}"
