"""Gives deployed models as many replicas as their load asks for, within their bounds and the stack's capacity.

What it decides is noted on the endpoint's row before it happens, so a restarted controller goes on; what a load was
lately is not: after a restart nothing goes down for a whole window. Called by endpoints.py.
"""

from datetime import datetime
from typing import Final

from workloads.controllers import endpoint_rows
from workloads.controllers.endpoint_rows import EndpointRows, Failure, current, give_up, settle, target
from workloads.controllers.loads import Loads
from workloads.controllers.platform import Json, Platform, timestamp
from workloads.controllers.servers import Servers
from workloads.plans import autoscaling
from workloads.plans.autoscaling import Window
from workloads.plans.serving import DeployedModel

POLL_S: Final = 0.3
TIMEOUT_S: Final = 600.0  # for new replicas to be healthy, as for a deployment


class Autoscaler:
    """Follows the load of deployed models."""

    def __init__(self, platform: Platform, rows: EndpointRows, servers: Servers) -> None:
        self._platform, self._rows, self._servers = platform, rows, servers
        self._loads = Loads(platform)
        self._windows: dict[tuple[str, str], Window] = {}

    def step(self, endpoint: str, model_id: str, entry: Json) -> float | None:
        """Go as far as it goes now; in how many seconds to look again, None for a model with a fixed number."""
        rule = endpoint_rows.rule(entry)
        if rule is None or entry["phase"] != "ready":
            return None
        if "scaling" in entry:
            return self._follow(endpoint, entry) if entry.get("by_load") else None
        model, config = current(entry), self._platform.config.autoscaling
        load = self._loads.look(model, datetime.fromisoformat(entry["scaled"]).timestamp())
        if load is None:
            return config.interval_s / 2
        count = self._settled(model, autoscaling.wanted(rule, model.replicas, load))
        if count > model.replicas:
            return self._up(endpoint, model, count)
        if count < model.replicas:
            return self._down(endpoint, model, count)
        if load.found or not model.replicas:  # a first look finds nothing, and takes nothing back that was said
            self._say(endpoint, model_id, "")
        return config.interval_s

    def _settled(self, model: DeployedModel, wish: int) -> int:
        key, now = (model.endpoint, model.id), self._platform.now().timestamp()
        if key not in self._windows:
            self._windows[key] = Window(self._platform.config.autoscaling.window_s, now, model.replicas)
        return self._windows[key].settle(now, model.replicas, wish)

    def _up(self, endpoint: str, model: DeployedModel, count: int) -> float:
        """As many more as there is room for; if that are not all, the model's status says why."""
        lack = ""
        for number in range(count, model.replicas, -1):
            try:
                self._reserve(endpoint, model.scaled(number))
            except Failure as full:
                lack = f"The load asks for {count} replicas. {full}"
            else:
                if not lack:
                    return POLL_S
                break
        self._say(endpoint, model.id, lack)
        return self._platform.config.autoscaling.interval_s if model.replicas else POLL_S

    def _reserve(self, endpoint: str, scaled: DeployedModel) -> None:
        now = timestamp(self._platform.now())
        fields = {"scaling": scaled.to_json(), "by_load": now, "note": ""}
        self._rows.reserve(endpoint, scaled, lambda _, entries: entries[scaled.id].update(fields))

    def _down(self, endpoint: str, model: DeployedModel, count: int) -> float:
        """Out of the routes first; the endpoint's controller ends the servers then."""
        self._settle(endpoint, model.scaled(count))
        return POLL_S

    def _follow(self, endpoint: str, entry: Json) -> float:
        """Wait for new replicas, which the endpoint's controller starts."""
        scaled, since = target(entry), datetime.fromisoformat(entry["by_load"])
        waiting = self._servers.waiting_for(scaled)
        if not waiting:
            self._settle(endpoint, scaled)
        elif fatal := next((each for each in waiting if each.fatal), None):
            self._drop(endpoint, scaled.id, f"The server {fatal.name} can't be started: {fatal.problem}")
        elif (self._platform.now() - since).total_seconds() > TIMEOUT_S:
            words = self._servers.last_words(waiting[0])
            self._drop(
                endpoint, scaled.id, f"The server {waiting[0].name} is not healthy after {TIMEOUT_S:g} s: {words}"
            )
        return POLL_S

    def _settle(self, endpoint: str, model: DeployedModel) -> None:
        now = timestamp(self._platform.now())
        self._rows.change_entry(endpoint, model.id, lambda entry: settle(entry, model, now))

    def _drop(self, endpoint: str, model_id: str, why: str) -> None:
        def change(entry: Json) -> None:
            give_up(entry)
            entry["note"] = why

        self._rows.change_entry(endpoint, model_id, change)

    def _say(self, endpoint: str, model_id: str, text: str) -> None:
        """In the model's status, until something else is said."""
        entry = self._rows.entry(endpoint, model_id)
        if entry is not None and entry.get("note", "") != text:
            self._rows.change_entry(endpoint, model_id, lambda entry: entry.update(note=text))
