"""Endpoints at rest: what was deployed keeps running and routed, whatever dies, is removed by hand or is declared anew.

Deploying and undeploying are operations (deploy.py, undeploy.py). Declared models are containers that Pulumi made from
the same plan; their labels tell all, and their endpoints' rows follow them.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Final

from workloads import contract
from workloads.controllers import probes
from workloads.controllers.endpoint_rows import EndpointRows, current, deployed, server_names
from workloads.controllers.engines.base import Container
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json
from workloads.controllers.servers import Servers
from workloads.plans import serving
from workloads.plans.container import ContainerSpec
from workloads.store import Resource

PROBE_S: Final = 10.0


class Endpoints:
    """Reconciles endpoints."""

    collection = "endpoints"
    states: Sequence[str] | None = None

    def __init__(self, rows: EndpointRows, servers: Servers, table: Routes) -> None:
        self._rows, self._servers, self._routes = rows, servers, table
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
        wanted = {name for entry in entries.values() for name in server_names(entry)}
        self._servers.remove(sorted(name for name in containers if name not in wanted and _is_ours(containers[name])))
        if entries:
            self._probe(row, containers)
        return PROBE_S if entries else None

    def _keep(self, entry: Json, containers: Mapping[str, Container]) -> None:
        """Every server runs, and its log is kept."""
        model = current(entry)
        gone = [n for n in serving.server_names(model) if n not in containers or containers[n].phase != "running"]
        if gone and not entry.get("declared"):  # Pulumi makes the declared ones
            self._servers.start(model)
        self._servers.follow(model, containers)

    def _probe(self, row: Resource, containers: Mapping[str, Container]) -> None:
        """Vertex' health and liveness checks, every ten seconds."""
        now = time.monotonic()
        if now - self._probed.get(row.name, -PROBE_S) < PROBE_S - 1:
            return
        self._probed[row.name] = now
        ready = [current(entry) for entry in deployed(row).values() if entry["phase"] == "ready"]
        down = {spec.name for model in ready for spec in self._servers.plan(model) if self._is_down(spec, containers)}
        if self._servers.set_down(row.name, down):
            self._routes.sync()

    def _is_down(self, spec: ContainerSpec, containers: Mapping[str, Container]) -> bool:
        """Whether the server gets no traffic; one that does not even accept connections is restarted besides."""
        container, probe = containers.get(spec.name), spec.probe
        if container is None or probe is None or container.phase != "running":
            return container is None
        self._failed[spec.name] = self._count(self._failed, spec.name, probes.is_healthy(container.address, probe))
        reached = not self._failed[spec.name] or probes.accepts(container.address, probe)
        self._unreachable[spec.name] = self._count(self._unreachable, spec.name, reached)
        if self._unreachable[spec.name] >= probe.failures:
            self._unreachable[spec.name] = 0
            self._servers.restart(spec.name)
        return self._failed[spec.name] >= probe.failures

    @staticmethod
    def _count(failures: Mapping[str, int], name: str, is_good: bool) -> int:
        return 0 if is_good else failures.get(name, 0) + 1


def _is_ours(container: Container) -> bool:
    return container.labels.get(contract.LABEL_MANAGED_BY) == contract.MANAGED_BY_CONTROLLERS
