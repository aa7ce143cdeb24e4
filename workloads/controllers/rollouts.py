"""Carries rollouts of declared models out (plans/rollouts.py): step by step, or back.

The state is in the new version's entry of its endpoint's row, `status.deployed.<id>.rollout`: {"rollout": the Rollout,
"state", "step", "since": when the step began, "before": the gateway's counts then, "reason": why it is in this state}.
A transition is one change of the row, with the traffic split that it means; the gateway follows the row. So a
controller may be killed anywhere.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from workloads.controllers.endpoint_rows import EndpointRows, current, deployed
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json, Platform, timestamp
from workloads.controllers.servers import Servers
from workloads.plans import measures, rollouts, shadows
from workloads.plans.measures import Measured
from workloads.plans.rollouts import Rollout, Verdict
from workloads.plans.serving import DeployedModel
from workloads.store import Resource

LOG: Final = logging.getLogger(__name__)
POLL_S: Final = 1.0
UNDER_WAY: Final = (rollouts.WAITING, rollouts.RUNNING)


def begun(model: DeployedModel, before: Json | None) -> Json | None:
    """The state of the rollout that this model's declaration asks for: as it was, or from its beginning.

    Args:
        before: the model's entry until now; the rollout goes on if neither what is served nor the rollout has changed.
    """
    if not model.rollout:
        return None
    if before and before.get("rollout") and _what(current(before)) == _what(model):
        noted: Json = before["rollout"]
        return noted
    return {"rollout": dict(model.rollout), "state": rollouts.WAITING, "step": 0, "reason": "its servers are starting"}


def _what(model: DeployedModel) -> tuple[Any, ...]:
    return (model.id, model.model, model.model_version_id, model.artifact_uri, model.image, dict(model.rollout))


def split(entries: Mapping[str, Json]) -> dict[str, int]:
    """The traffic split of declared models: as declared, and as far as a rollout has come."""
    declared = {each: entry for each, entry in entries.items() if entry.get("declared")}
    weights = {model_id: current(entry).weight for model_id, entry in declared.items()}
    for model_id, entry in declared.items():
        if state := entry.get("rollout"):
            return rollouts.split(weights, model_id, rollouts.share(state))
    return weights


class Rollouts:
    """Of all endpoints."""

    def __init__(self, platform: Platform, rows: EndpointRows, servers: Servers, table: Routes) -> None:
        self._platform, self._rows, self._servers, self._routes = platform, rows, servers, table

    def step(self, row: Resource) -> float | None:
        """Bring the endpoint's rollout as far as it goes now; in how many seconds to look again, None for never."""
        found = [(key, each) for key, each in deployed(row).items() if each.get("rollout")]
        for model_id, entry in found:
            if entry["rollout"]["state"] in UNDER_WAY:
                self._move(row.name, model_id, entry)
                return POLL_S
        return None

    def _move(self, endpoint: str, model_id: str, entry: Json) -> None:
        state = entry["rollout"]
        if state["state"] == rollouts.WAITING:
            waiting = self._servers.waiting_for(current(entry))
            verdict = rollouts.STAY if waiting else Verdict(rollouts.RUNNING, "its servers are healthy")
            step = 0
        else:
            verdict, step = self._judge(endpoint, model_id, state), state["step"] + 1
        if verdict.state:
            self._note(endpoint, model_id, state, self._after(endpoint, state, verdict, step))
            self._routes.sync()

    def _judge(self, endpoint: str, model_id: str, state: Json) -> Verdict:
        seen = measures.between(state["before"], self._platform.gateway.measures(), endpoint)
        new, live = seen.pop(model_id, Measured()), Measured()
        unseen = shadows.shares(self._rows.get(endpoint).message)
        for each in (counts for key, counts in seen.items() if key not in unseen):
            live = live.plus(each)
        elapsed = (self._platform.now() - datetime.fromisoformat(state["since"])).total_seconds()
        return rollouts.judge(Rollout.from_json(state["rollout"]), state["step"], elapsed, new, live)

    def _after(self, endpoint: str, state: Json, verdict: Verdict, step: int) -> Json:
        if verdict.state != rollouts.RUNNING:
            return {**state, "state": verdict.state, "reason": verdict.reason, "before": {}}
        before = measures.kept(self._platform.gateway.measures(), endpoint)
        now = timestamp(self._platform.now())
        return {**state, "state": verdict.state, "step": step, "since": now, "before": before, "reason": verdict.reason}

    def _note(self, endpoint: str, model_id: str, before: Json, after: Json) -> None:
        """The new state and its split, unless the row has gone on without us."""

        def note(message: Json, entries: dict[str, Json]) -> None:
            if entries.get(model_id, {}).get("rollout") == before:
                entries[model_id]["rollout"] = after
                message["trafficSplit"] = {**message.get("trafficSplit", {}), **split(entries)}

        self._rows.change(endpoint, note)
        text = "%s, deployed model %s: rollout %s, %d %% of the traffic: %s"
        LOG.info(text, endpoint, model_id, after["state"], rollouts.share(after), after["reason"])
