"""Endpoints at rest: what was deployed keeps running and routed, whatever dies, is removed by hand or is declared anew.

Deploying and undeploying are operations (deploy.py, undeploy.py). Declared models are containers that Pulumi made from
the same plan; their labels tell all, and their endpoints' rows follow them.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from workloads import contract
from workloads.controllers import endpoint_rows, probes, servers
from workloads.controllers.autoscaler import Autoscaler
from workloads.controllers.endpoint_rows import EndpointRows, current, deployed, needed
from workloads.controllers.engines.base import Container
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json, timestamp, utc_now
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

    def __init__(
        self, rows: EndpointRows, running: Servers, table: Routes, rollouts: Rollouts, scaler: Autoscaler
    ) -> None:
        self._rows, self._servers, self._routes, self._rollouts = rows, running, table, rollouts
        self._scaler = scaler
        self._failed: dict[str, int] = {}  # server → health checks failed in a row
        self._unreachable: dict[str, int] = {}  # server → liveness checks failed in a row
        self._reached: dict[str, datetime | None] = {}  # server → the start since which it has accepted a connection
        self._probed: dict[str, float] = {}

    def reconcile(self, row: Resource) -> float | None:
        """Bring what runs in step with the row."""
        self._routes.sync()  # a changed traffic split first: somebody waits for it
        pauses = [self._scaler.step(row.name, *item) for item in deployed(self._rows.get(row.name)).items()]
        containers = self._servers.found(row.name)
        row = self._rows.get(row.name)  # read after the containers: what a deployment has started since is in it
        entries = deployed(row)
        if any("leaving" in entry for entry in entries.values()):
            self._routes.sync()  # before any server goes
        for model_id, entry in entries.items():
            if entry["phase"] == "ready":
                self._keep(entry, containers)
                self._sign(row.name, model_id, entry)
                self._note(row, model_id, entry, containers)
        wanted = {serving.group_name(current(entry)) for entry in entries.values()}
        gone = {each.group for each in containers if each.group not in wanted and _is_ours(each)}
        self._servers.remove(sorted(gone), containers)
        if entries and not self._servers.are_supervised:
            self._probe(row, containers)
        pauses.append(self._rollouts.step(row))
        return min([PROBE_S, *(pause for pause in pauses if pause)]) if entries else None

    def _keep(self, entry: Json, containers: Sequence[Container]) -> None:
        """As many servers run as are needed, and their logs are kept."""
        model = needed(entry)
        running = [each.phase == "running" for each in servers.of(model, containers)]
        if running and not model.replicas:
            self._servers.remove([serving.group_name(model)], containers)
        elif not (all(running) and len(running) == model.replicas) and not entry.get("declared"):
            self._servers.start(model)  # Pulumi makes the declared ones
        self._servers.follow(model, containers)

    def _sign(self, endpoint: str, model_id: str, entry: Json) -> None:
        """The servers' token follows the signing key: after two rotations the first one opens nothing any more."""
        if entry.get("declared") or entry.get("signer") == (signer := self._servers.signer):
            return
        if needed(entry).replicas:
            self._servers.refresh(needed(entry))
        self._rows.change_entry(endpoint, model_id, lambda entry: entry.update(signer=signer))

    def _note(self, row: Resource, model_id: str, entry: Json, containers: Sequence[Container]) -> None:
        """That the servers that were too many are gone, and of a model that follows its load how many there are."""
        mine = servers.of(current(entry), containers)
        is_over = "leaving" in entry and len(mine) <= needed(entry).replicas
        shown: Json = next((each for each in row.message.get("deployedModels", []) if each["id"] == model_id), {})
        known = {k: v for k, v in shown.get("status", {}).items() if k != "lastUpdateTime"}
        status = _status(entry, mine) if endpoint_rows.rule(entry) else known
        if status == known and not is_over:
            return
        stamped = {**status, "lastUpdateTime": timestamp(utc_now())}

        def note(message: Json, entries: dict[str, Json]) -> None:
            if is_over and entries.get(model_id, {}).get("leaving") == entry["leaving"]:
                del entries[model_id]["leaving"]
            for each in message.get("deployedModels", []):
                if each["id"] == model_id and status != known:
                    each["status"] = stamped

        self._rows.change(row.name, note)

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
            return False  # it may be newer than what was read; one that is gone accepts nothing, which the gateway sees
        self._failed[name] = self._count(self._failed, name, probes.is_healthy(container.address, probe))
        reached = not self._failed[name] or probes.accepts(container.address, probe)
        self._unreachable[name] = self._count(self._unreachable, name, reached)
        if reached:
            self._reached[name] = container.started
        if self._unreachable[name] >= probe.failures and not self._is_starting(container, probe):
            self._unreachable[name] = 0
            self._servers.restart(name)
        return self._failed[name] >= probe.failures

    def _is_starting(self, container: Container, probe: Probe) -> bool:
        """Whether it may still be loading its model: it has not accepted a connection yet, and began lately."""
        if container.started is None or self._reached.get(container.name) == container.started:
            return False
        return (utc_now() - container.started).total_seconds() < probe.start_within_s

    @staticmethod
    def _count(failures: Mapping[str, int], name: str, is_good: bool) -> int:
        return 0 if is_good else failures.get(name, 0) + 1


def _status(entry: Json, mine: Sequence[Container]) -> Json:
    """As DeployedModel.Status has it; a count of 0 and no message are not there, as in all of proto3's JSON."""
    ready = sum(each.phase == "running" and each.ready is not False for each in mine)
    count = min(ready, current(entry).replicas)
    note = " ".join(filter(None, (entry.get("runtime", ""), entry.get("note", ""))))
    return {**({"availableReplicaCount": count} if count else {}), **({"message": note} if note else {})}


def _is_ours(container: Container) -> bool:
    return container.labels.get(contract.LABEL_MANAGED_BY) == contract.MANAGED_BY_CONTROLLERS
