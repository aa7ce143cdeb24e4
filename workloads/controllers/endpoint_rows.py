"""An endpoint's row: its `status.deployed` says what runs for it or is on its way, its message what users see of that.

status.deployed: {deployed model id: {"model": DeployedModel as JSON, "phase": "deploying" | "ready" | "undeploying",
"scaling": the model with another number of replicas, on its way, "by_load": since when, if its load asked for that,
"leaving": how many replicas may still be there when it has become fewer, "rule": plans.autoscaling.Rule as JSON,
"scaled": when their number has last changed, "note" and "runtime": what the deployed model's status says of
that and of its servers, "declared": whether Pulumi made it, "signer": by which key its servers' token is signed,
"timeout_s"}}. An entry without a rule keeps its number.
status.reserved: what all of that holds. status.routed: the traffic split that the gateway has taken.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from workloads.controllers import outcome
from workloads.controllers.platform import Json, Platform, error
from workloads.controllers.queue import Queue
from workloads.plans import machines, serving
from workloads.plans.autoscaling import Rule
from workloads.plans.machines import Demand
from workloads.plans.serving import DeployedModel
from workloads.store import Resource

CODE_NOT_FOUND: Final = 5
CODE_PRECONDITION: Final = 9


class Failure(Exception):
    """The operation on an endpoint ends with this google.rpc.Status."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.status: Mapping[str, Any] = error(code, message)


def deployed(row: Resource) -> dict[str, Json]:
    """The entries of `status.deployed`."""
    found: dict[str, Json] = row.status.get("deployed", {})
    return found


def current(entry: Json) -> DeployedModel:
    """The model of an entry, as it is routed."""
    return DeployedModel.from_json(entry["model"])


def target(entry: Json) -> DeployedModel:
    """The model of an entry, as it is to become."""
    return DeployedModel.from_json(entry.get("scaling") or entry["model"])


def needed(entry: Json) -> DeployedModel:
    """The model of an entry with every server that it stands for: those that are routed, and those on their way."""
    return max(current(entry), target(entry), key=lambda model: model.replicas)


def rule(entry: Json) -> Rule | None:
    """By what the number of the entry's replicas changes; None when it does not."""
    found = Rule(**entry["rule"]) if entry.get("rule") else None
    return None if found is None or found.is_fixed or entry.get("declared") else found


def held(entry: Json) -> DeployedModel:
    """The model of an entry with every server that capacity is kept for: those to be, and those not yet gone."""
    model = target(entry)
    return model.scaled(max(model.replicas, int(entry.get("leaving", 0))))


def settle(entry: Json, model: DeployedModel, now: str) -> None:
    """From now on the entry's model has so many replicas; capacity for more is kept until they are gone."""
    if current(entry).replicas != model.replicas or "scaled" not in entry:
        entry["scaled"] = now
    if (most := needed(entry).replicas) > model.replicas:
        entry["leaving"] = max(most, int(entry.get("leaving", 0)))
    entry["model"] = model.to_json()
    entry.pop("scaling", None)
    entry.pop("by_load", None)


def give_up(entry: Json) -> None:
    """What was on its way is not any more; capacity for it is kept until it is gone."""
    if "scaling" in entry:
        entry["leaving"] = max(target(entry).replicas, int(entry.get("leaving", 0)))
    entry.pop("scaling", None)
    entry.pop("by_load", None)


class EndpointRows:
    """Changes endpoints' rows, and keeps what they reserve in step."""

    def __init__(self, platform: Platform, queue: Queue) -> None:
        self._platform, self._queue = platform, queue

    def get(self, endpoint: str) -> Resource:
        """The row."""
        return self._platform.store.get(endpoint)

    def entry(self, endpoint: str, model_id: str) -> Json | None:
        """A deployed model's entry."""
        return deployed(self.get(endpoint)).get(model_id)

    def change(self, endpoint: str, change: Callable[[Json, dict[str, Json]], None]) -> Resource:
        """Let `change(message, status.deployed)` edit the row."""

        def apply(message: Json, status: Json) -> None:
            entries = status.setdefault("deployed", {})
            change(message, entries)
            status["reserved"] = self._demand(entries).to_json()

        return self._platform.store.update(endpoint, apply)

    def change_entry(self, endpoint: str, model_id: str, change: Callable[[Json], None]) -> None:
        """Let `change` edit a deployed model's entry, if it is still there."""

        def apply(_: Json, entries: dict[str, Json]) -> None:
            if model_id in entries:
                change(entries[model_id])

        self.change(endpoint, apply)

    def reserve(self, endpoint: str, model: DeployedModel, change: Callable[[Json, dict[str, Json]], None]) -> None:
        """The same, if the model's servers fit beside everything else.

        Raises:
            Failure: they don't; nothing has changed.
        """
        with self._queue.lock:
            others = {k: v for k, v in deployed(self.get(endpoint)).items() if k != model.id}
            config = self._platform.config
            wanted = machines.demand(serving.limits(model, config))
            used = self._queue.used(besides=endpoint) + self._demand(others)
            if reason := machines.shortage(wanted, used, config):
                text = f"There is no room for the model's servers: {reason}. Undeploy a model or cancel a job first."
                raise Failure(outcome.CODE_EXHAUSTED, text)
            self.change(endpoint, change)

    def _demand(self, entries: Mapping[str, Json]) -> Demand:
        limits = [one for entry in entries.values() for one in serving.limits(held(entry), self._platform.config)]
        return machines.demand(limits)
