"""Model servers of deployed models: start, check, stop. Shared by the endpoints' and the operations' controllers."""

import threading
from collections.abc import Mapping
from typing import Final

from workloads import contract
from workloads.controllers import probes
from workloads.controllers.engines.base import Container
from workloads.controllers.logs import LogPump
from workloads.controllers.platform import Platform
from workloads.plans import serving
from workloads.plans.container import ContainerSpec
from workloads.plans.serving import DeployedModel

# A server is long-lived; its token names one bucket, and is only read at a start.
TOKEN_LIFETIME_S: Final = 5 * 365 * 24 * 3600.0
CRASHES: Final = 5  # restarts by the engine that show a server will never come up
LAST_LINES: Final = 10
DRAIN_S: Final = 10.0


class Servers:
    """The containers of deployed models."""

    def __init__(self, platform: Platform, logs: LogPump) -> None:
        self._platform, self._logs = platform, logs
        self._lock = threading.Lock()
        self._down: dict[str, set[str]] = {}

    def plan(self, model: DeployedModel) -> list[ContainerSpec]:
        """The servers' containers, with a token of the model's own."""
        token = self._platform.token(model.endpoint, serving.buckets(model), TOKEN_LIFETIME_S)
        return serving.plan(model, token, self._platform.config)

    def found(self, endpoint: str) -> dict[str, Container]:
        """The endpoint's containers, by name."""
        return {each.name: each for each in self._platform.engine.find({contract.LABEL_RESOURCE: endpoint})}

    def start(self, model: DeployedModel) -> None:
        """Have every server of the model running: what was removed, or stopped by a hand, is made again."""
        for spec in self.plan(model):
            self._platform.engine.ensure_image(spec.image)
            container = self._platform.engine.get(spec.name)
            if container and container.phase == "exited":
                self._platform.engine.remove(spec.name)
            self._platform.engine.run(spec)

    def follow(self, model: DeployedModel, containers: Mapping[str, Container]) -> None:
        """Keep the servers' logs."""
        for number, name in enumerate(serving.server_names(model)):
            if name in containers and containers[name].phase == "running":
                self._logs.follow(model.endpoint, f"{model.id}-{number}", name, running=True)

    def waiting_for(self, model: DeployedModel) -> list[str]:
        """The servers that do not answer their health check."""
        specs, containers = self.plan(model), self.found(model.endpoint)
        self.follow(model, containers)
        return [spec.name for spec in specs if not _is_healthy(spec, containers.get(spec.name))]

    def crashed(self, model: DeployedModel) -> str:
        """A server that the engine has restarted again and again; "" when there is none."""
        containers = self.found(model.endpoint)
        names = [name for name in serving.server_names(model) if name in containers]
        return next((name for name in names if containers[name].restarts >= CRASHES), "")

    def last_words(self, name: str) -> str:
        """The end of a server's log, for an error message."""
        lines = "\n".join(self._platform.engine.tail(name, LAST_LINES))
        return f"its last lines:\n{lines}" if lines else "it printed nothing"

    def restart(self, name: str) -> None:
        """Restart a server that hangs."""
        self._platform.engine.restart(name)

    def remove(self, names: list[str]) -> None:
        """Stop and remove these servers."""
        for name in names:
            self._platform.engine.stop(name, 30)
        for name in names:
            self._logs.drain_container(name, DRAIN_S)
            self._platform.engine.remove(name)

    def set_down(self, endpoint: str, names: set[str]) -> bool:
        """These servers of the endpoint get no traffic; whether that is news."""
        with self._lock:
            changed = self._down.get(endpoint, set()) != names
            self._down[endpoint] = names
        return changed

    def down(self) -> set[str]:
        """Every server that gets no traffic now."""
        with self._lock:
            return {name for names in self._down.values() for name in names}


def _is_healthy(spec: ContainerSpec, container: Container | None) -> bool:
    return bool(container and spec.probe and probes.is_healthy(container.address, spec.probe))
