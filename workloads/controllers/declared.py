"""Models that a stack's config declares: their containers' labels become endpoints' rows. A chore of every sweep."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from workloads import contract
from workloads.controllers import rollouts
from workloads.controllers.endpoint_rows import EndpointRows, current, deployed
from workloads.controllers.platform import Json, Platform, timestamp
from workloads.plans import shadows
from workloads.plans.names import resource_id
from workloads.plans.serving import DeployedModel
from workloads.store import AlreadyExists, Resource

Models = dict[str, DeployedModel]


class Declared:
    """Keeps rows in step with declared containers."""

    def __init__(self, platform: Platform, rows: EndpointRows) -> None:
        self._platform, self._rows = platform, rows

    def sync(self) -> None:
        """Show what is declared, and take away what was."""
        wanted = self._declared()
        for name in wanted:
            with suppress(AlreadyExists):
                self._platform.store.create(name, {"displayName": resource_id(name)}, {"declared": True})
        for row in self._platform.store.list("endpoints"):
            self._show(row, wanted.get(row.name, {}))

    def _declared(self) -> dict[str, Models]:
        """By endpoint and id, from the labels."""
        labels = {contract.LABEL_DEPLOYED_MODEL: "", contract.LABEL_MANAGED_BY: contract.MANAGED_BY_PULUMI}
        found: dict[str, Models] = {}
        for container in self._platform.engine.find(labels):
            model = DeployedModel.from_json(container.labels[contract.LABEL_DEPLOYED_MODEL])
            found.setdefault(model.endpoint, {})[model.id] = model
        return found

    def _show(self, row: Resource, wanted: Models) -> None:
        shown = {model_id: entry["model"] for model_id, entry in deployed(row).items() if entry.get("declared")}
        is_shown = shown == {model_id: model.to_json() for model_id, model in wanted.items()}
        if not is_shown or not _labels(wanted).items() <= row.message.get("labels", {}).items():
            now = timestamp(self._platform.now())
            usual = {"displayName": resource_id(row.name)}
            row = self._rows.change(row.name, lambda message, entries: _apply(message, entries, wanted, usual, now))
        if row.status.get("declared") and not deployed(row):
            self._platform.store.delete(row.name)


def _apply(message: Json, entries: dict[str, Json], wanted: Models, usual: Json, now: str) -> None:
    old = {model_id: entry for model_id, entry in entries.items() if entry.get("declared")}
    for model_id in old:
        del entries[model_id]
    for model_id, model in wanted.items():
        state = rollouts.begun(model, old.get(model_id))
        begun = {"rollout": state} if state else {}
        entries[model_id] = {"model": model.to_json(), "phase": "ready", "declared": True, **begun}
    kept = [each for each in message.get("deployedModels", []) if each["id"] not in old]
    message["deployedModels"] = [*kept, *(_message(model, now) for model in wanted.values())]
    split = {k: v for k, v in message.get("trafficSplit", {}).items() if k not in old}
    message["trafficSplit"] = {**split, **rollouts.split(entries)}
    message["labels"] = {**shadows.without(message.get("labels", {}), old), **_labels(wanted)}
    for key in _endpoint_message(map(current, old.values())):
        message.pop(key, None)
    message.update({**usual, **_endpoint_message(wanted.values())})


def _endpoint_message(models: Iterable[DeployedModel]) -> Mapping[str, Any]:
    """Which each of an endpoint's models has."""
    return next((model.endpoint_message for model in models), {})


def _labels(wanted: Models) -> dict[str, str]:
    return shadows.labels({model_id: model.shadow for model_id, model in wanted.items()})


def _message(model: DeployedModel, now: str) -> Mapping[str, Any]:
    """As DeployedModel shows it."""
    return {
        "id": model.id,
        "model": model.model,
        "modelVersionId": model.model_version_id,
        "displayName": model.display_name,
        "createTime": now,
        "dedicatedResources": {"machineSpec": dict(model.machine), "minReplicaCount": model.replicas},
    }
