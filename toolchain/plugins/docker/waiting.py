"""Waiting for a container: until it runs, until it is healthy, until it has ended. Called by container.py.

Every wait looks at the deployment's cancellation and reports how it goes; a failure says what the container itself
said.
"""

import time
from typing import Any

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker.engine import Engine, doing

POLL_SECONDS = 0.2
# A process that can't work mostly ends at once; the official provider waits as long before it looks.
SETTLE_SECONDS = 0.1
REPORT_SECONDS = 2.0
LOG_LINES = 20


class Waiting:
    """Waits for one container."""

    def __init__(self, engine: Engine, call: Call, identifier: str, name: str) -> None:
        self._engine = engine
        self._call = call
        self._identifier = identifier
        self._name = name

    def until_as_declared(self, inputs: Properties) -> dict[str, Any]:
        """Wait as the inputs say, and give the container as it is then; ProviderError says why it is not so."""
        if inputs.get("attach", False):
            return self._until_ended()
        if inputs.get("wait", False):
            return self._until_healthy(inputs.get("waitTimeout", 60))
        return self._settled(inputs.get("mustRun", True))

    def logs(self, lines: int | str) -> str:
        """The container's last output."""
        with doing(f"read the logs of {self._name}"):
            output: bytes = self._engine.client().logs(self._identifier, tail=lines)
        return output.decode(errors="replace").rstrip()

    def inspect(self) -> dict[str, Any]:
        """The container as it is."""
        with doing(f"look at the container {self._name}"):
            container: dict[str, Any] = self._engine.client().inspect_container(self._identifier)
        return container

    def _settled(self, must_run: bool) -> dict[str, Any]:
        self._pause(SETTLE_SECONDS)
        container = self.inspect()
        if must_run and not _alive(container):
            raise ProviderError(self._story(container, "has to run, but"))
        return container

    def _until_healthy(self, timeout: float) -> dict[str, Any]:
        start = reported = time.monotonic()
        while True:
            container = self.inspect()
            health = container["State"].get("Health")
            if health is None:
                raise ProviderError(f"{self._name}: wait needs a healthcheck, in the resource or in its image")
            if health["Status"] == "healthy":
                return container
            passed = time.monotonic() - start
            if not _alive(container) or passed > timeout:
                raise ProviderError(self._story(container, f"did not become healthy within {timeout:g} s:"))
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                self._call.status(f"{health['Status']}, waiting to be healthy ({passed:.0f} of {timeout:g} s)")
            self._pause(POLL_SECONDS)

    def _until_ended(self) -> dict[str, Any]:
        while True:
            container = self.inspect()
            if not _alive(container):
                return container
            self._pause(POLL_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self._call.cancelled.wait(seconds):
            raise ProviderError(f"{self._name}: interrupted while waiting; the container is left as it is")

    def _story(self, container: dict[str, Any], beginning: str) -> str:
        state = container["State"]
        story = f"the container {self._name} {beginning} it is {state['Status']}"
        if not state["Running"]:
            story += f" with exit code {state['ExitCode']}" + (f" ({state['Error']})" if state.get("Error") else "")
        checks = (state.get("Health") or {}).get("Log") or []
        if checks:
            output = checks[-1]["Output"].strip() or "no output"
            story += f"\nlast health check (exit code {checks[-1]['ExitCode']}): {output}"
        logs = self.logs(LOG_LINES)
        return story + (f"\nlast log lines:\n{logs}" if logs else "\nit logged nothing")


def _alive(container: dict[str, Any]) -> bool:
    return bool(container["State"]["Running"] or container["State"].get("Restarting"))
