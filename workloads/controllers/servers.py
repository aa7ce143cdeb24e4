"""Model servers of deployed models: start, check, stop. Shared by the endpoints' and the operations' controllers."""

import threading
from collections.abc import Iterable, Sequence
from typing import Final

from workloads import contract, tokens
from workloads.controllers import probes
from workloads.controllers.engines.base import Container
from workloads.controllers.logs import LogPump
from workloads.controllers.platform import Platform
from workloads.plans import serving
from workloads.plans.container import Group
from workloads.plans.serving import DeployedModel

# A server is long-lived; its token names one bucket, is only read at a start, and follows the key.
TOKEN_LIFETIME_S: Final = 5 * 365 * 24 * 3600.0
LAST_LINES: Final = 10
LONGEST_NOTE: Final = 500  # characters that a server may say of itself in its deployed model's status
STOP_GRACE_S: Final = 30
DRAIN_S: Final = 10.0


class Servers:
    """The containers of deployed models."""

    def __init__(self, platform: Platform, logs: LogPump) -> None:
        self._platform, self._logs = platform, logs
        self._lock = threading.Lock()
        self._down: dict[str, set[str]] = {}

    @property
    def are_supervised(self) -> bool:
        """Whether the engine probes and restarts them by itself."""
        return self._platform.engine.supervises

    def found(self, endpoint: str) -> list[Container]:
        """The endpoint's containers."""
        return self._platform.engine.find({contract.LABEL_RESOURCE: endpoint})

    def start(self, model: DeployedModel) -> None:
        """Have every server of the model running, and no more: what was removed or stopped by a hand is made again."""
        group = self._group(model)
        self._platform.engine.ensure_image(group.template.image)
        self._platform.engine.run(group)

    @property
    def signer(self) -> str:
        """Which key signs their tokens now."""
        return tokens.signer(self._platform.keys)

    def refresh(self, model: DeployedModel) -> None:
        """Give the model's servers a token of today's key, for when they start again: the one they have may be void."""
        self._platform.engine.refresh(self._group(model))

    def _group(self, model: DeployedModel) -> Group:
        token = self._platform.token(model.endpoint, serving.buckets(model), TOKEN_LIFETIME_S)
        return serving.plan(model, token, self._platform.config)

    def follow(self, model: DeployedModel, containers: Iterable[Container]) -> None:
        """Keep the servers' logs."""
        for each in of(model, containers):
            if each.phase == "running":
                number = each.name.removeprefix(f"{each.group}-")
                self._logs.follow(model.endpoint, f"{model.id}-{number}", each.name, running=True)

    def waiting_for(self, model: DeployedModel) -> list[Container]:
        """The servers that can't predict yet; none once as many can as the model wants."""
        containers = of(model, self.found(model.endpoint))
        self.follow(model, containers)
        waiting = [each for each in containers if not is_healthy(model, each)]
        if len(containers) - len(waiting) >= model.replicas:
            return []
        name = serving.group_name(model)
        return waiting or [Container(name, "created", group=name, problem="the engine has not made it yet")]

    def last_words(self, container: Container) -> str:
        """Why a server does not start, or else the end of its log; for an error message."""
        if container.problem:
            return container.problem
        lines = "\n".join(self._platform.engine.tail(container.name, LAST_LINES))
        return f"its last lines:\n{lines}" if lines else "it printed nothing"

    def runtime(self, model: DeployedModel) -> str:
        """What a prebuilt server's log tells of its runtime and why; "" where no server tells."""
        for each in of(model, self.found(model.endpoint)):
            for line in self._platform.engine.tail(each.name, LAST_LINES):
                if line.startswith(contract.LOG_RUNTIME):
                    return f"Served by {line.removeprefix(contract.LOG_RUNTIME)}"[:LONGEST_NOTE]
        return ""

    def restart(self, name: str) -> None:
        """Restart a server that hangs."""
        self._platform.engine.restart(name)

    def remove(self, groups: Sequence[str], containers: Sequence[Container]) -> None:
        """Stop and remove the servers of these groups.

        Args:
            containers: among others theirs, whose last lines are kept.
        """
        for group in groups:
            self._platform.engine.stop(group, STOP_GRACE_S)
        for group in groups:
            for each in containers:
                if each.group == group:
                    self._logs.drain_container(each.name, DRAIN_S)
            self._platform.engine.remove(group)

    def address(self, container: str, model: DeployedModel) -> str:
        """As the gateway's table has it."""
        return serving.address(container, model, self._platform.config)

    def set_down(self, endpoint: str, addresses: set[str]) -> bool:
        """The servers at these addresses get no traffic; whether that is news."""
        with self._lock:
            changed = self._down.get(endpoint, set()) != addresses
            self._down[endpoint] = addresses
        return changed

    def down(self) -> set[str]:
        """Every address that gets no traffic now."""
        with self._lock:
            return {address for addresses in self._down.values() for address in addresses}


def of(model: DeployedModel, containers: Iterable[Container]) -> list[Container]:
    """Those that are the model's servers."""
    group = serving.group_name(model)
    return [each for each in containers if each.group == group]


def is_healthy(model: DeployedModel, container: Container) -> bool:
    """Whether the server can predict: the engine's word, or else what it answers over the network."""
    if container.ready is not None:
        return container.ready
    return probes.is_healthy(container.address, serving.probe(model))
