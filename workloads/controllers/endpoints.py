"""Endpoints at rest: what was deployed keeps running and routed, whatever dies, is removed by hand or is declared anew.

Deploying and undeploying are operations (deploy.py, undeploy.py). Declared models are containers that Pulumi made from
the same plan; their labels tell all, and their endpoints' rows follow them.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from workloads import contract
from workloads.controllers import probes, servers
from workloads.controllers.endpoint_rows import EndpointRows, current, deployed, needed
from workloads.controllers.engines.base import Container
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json
from workloads.controllers.rollouts import Rollouts
from workloads.controllers.servers import Servers
from workloads.plans import serving
from workloads.plans.container import Probe, container_name
from workloads.store import Resource

PROBE_S: Final = 10.0


class Endpoints:
    """Reconciles endpoints."""

    collection = "endpoints"
    states: Sequence[str] | None = None

    def __init__(self, rows: EndpointRows, running: Servers, table: Routes, rollouts: Rollouts) -> None:
        self._rows, self._servers, self._routes, self._rollouts = rows, running, table, rollouts
        self._failed: dict[str, int] = {}  # server → health checks failed in a row
        self._unreachable: dict[str, int] = {}  # server → liveness checks failed in a row
        self._probed: dict[str, float] = {}

    def reconcile(self, row: Resource) -> float | None:
        """Bring what runs in step with the row."""
        self._routes.sync()  # a changed traffic split first: somebody waits for it
        containers = self._servers.found(row.name)
        row = self._rows.get(row.name)  # read after the containers: what a deployment has started since is in it
        entries = deployed(row)
        for entry in entries.values():
            if entry["phase"] == "ready":
                self._keep(entry, containers)
        wanted = {serving.group_name(current(entry)) for entry in entries.values()}
        gone = {each.group for each in containers if each.group not in wanted and _is_ours(each)}
        self._servers.remove(sorted(gone), containers)
        if entries and not self._servers.are_supervised:
            self._probe(row, containers)
        return self._rollouts.step(row) or (PROBE_S if entries else None)

    def _keep(self, entry: Json, containers: Sequence[Container]) -> None:
        """As many servers run as are needed, and their logs are kept."""
        model = needed(entry)
        running = [each.phase == "running" for each in servers.of(model, containers)]
        if not (all(running) and len(running) == model.replicas) and not entry.get("declared"):
            self._servers.start(model)  # Pulumi makes the declared ones
        self._servers.follow(model, containers)

    def _probe(self, row: Resource, containers: Sequence[Container]) -> None:
        """Vertex' health and liveness checks, every ten seconds."""
        now = time.monotonic()
        if now - self._probed.get(row.name, -PROBE_S) < PROBE_S - 1:
            return
        self._probed[row.name] = now
        found = {each.name: each for each in containers}
        ready = [current(entry) for entry in deployed(row).values() if entry["phase"] == "ready"]
        down = {
            self._servers.address(name, model)
            for model in ready
            for name in (container_name(serving.group_name(model), index) for index in range(model.replicas))
            if self._is_down(name, found.get(name), serving.probe(model))
        }
        if self._servers.set_down(row.name, down):
            self._routes.sync()

    def _is_down(self, name: str, container: Container | None, probe: Probe) -> bool:
        """Whether the server gets no traffic; one that does not even accept connections is restarted besides."""
        if container is None or container.phase != "running":
            return container is None
        self._failed[name] = self._count(self._failed, name, probes.is_healthy(container.address, probe))
        reached = not self._failed[name] or probes.accepts(container.address, probe)
        self._unreachable[name] = self._count(self._unreachable, name, reached)
        if self._unreachable[name] >= probe.failures:
            self._unreachable[name] = 0
            self._servers.restart(name)
        return self._failed[name] >= probe.failures

    @staticmethod
    def _count(failures: Mapping[str, int], name: str, is_good: bool) -> int:
        return 0 if is_good else failures.get(name, 0) + 1


def _is_ours(container: Container) -> bool:
    return container.labels.get(contract.LABEL_MANAGED_BY) == contract.MANAGED_BY_CONTROLLERS
