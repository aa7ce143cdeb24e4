"""deployModel and mutateDeployedModel: servers up and healthy, then the endpoint's message, then routes."""

from datetime import datetime
from typing import Final

from workloads.controllers import outcome
from workloads.controllers.endpoint_rows import (
    CODE_NOT_FOUND,
    CODE_PRECONDITION,
    EndpointRows,
    Failure,
    current,
    give_up,
    settle,
)
from workloads.controllers.engines.base import Container
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json, Platform, duration_s, timestamp
from workloads.controllers.servers import Servers
from workloads.plans import autoscaling, routes, serving
from workloads.plans.autoscaling import Rule
from workloads.plans.serving import DeployedModel

POLL_S: Final = 0.3
TIMEOUT_S: Final = 600.0
CRASHES: Final = 5  # restarts by the engine that show a server will never come up
CRASHES_SUPERVISED: Final = 2  # where each is waited for twice as long as the one before: the third takes 40 s


def refuse_declared(entry: Json, model_id: str) -> None:
    """Leave alone what a stack's config declares.

    Raises:
        Failure: the model is declared.
    """
    if entry.get("declared"):
        text = f"Deployed model {model_id} is declared in the stack's config: change it there and run `pulumi up`."
        raise Failure(CODE_PRECONDITION, text)


class BringUp:
    """What both methods share: start servers and wait until all are healthy."""

    def __init__(self, platform: Platform, rows: EndpointRows, servers: Servers, table: Routes) -> None:
        self._platform, self._rows, self._servers, self._routes = platform, rows, servers, table

    def _bring_up(self, started: str, model: DeployedModel, timeout_s: float) -> bool:
        """Whether every server is healthy.

        Raises:
            Failure: a server can't be started, ends again and again, or does not become healthy in time; with its last
                words, or the engine's.
        """
        self._servers.start(model)
        waiting = self._servers.waiting_for(model)
        if not waiting:
            return True
        for server in waiting:
            self._refuse_hopeless(server)
        if (self._platform.now() - datetime.fromisoformat(started)).total_seconds() > timeout_s:
            server = waiting[0]
            text = f"The model's server {server.name} did not answer 200 at {model.health_path} within {timeout_s:g} s"
            raise Failure(outcome.CODE_DEADLINE, f"{text}; {self._servers.last_words(server)}")
        return False

    def _refuse_hopeless(self, server: Container) -> None:
        if server.fatal:
            raise Failure(outcome.CODE_INVALID, f"The model's server {server.name} can't be started: {server.problem}")
        if server.restarts >= (CRASHES_SUPERVISED if self._servers.are_supervised else CRASHES):
            words = self._servers.last_words(server)
            raise Failure(outcome.CODE_INVALID, f"The model's server {server.name} ends again and again; {words}")

    def _shown(self, endpoint: str, model_id: str) -> Json:
        """The response: the deployed model as the endpoint's message has it."""
        models = self._rows.get(endpoint).message.get("deployedModels", [])
        return {"deployedModel": next((each for each in models if each["id"] == model_id), {"id": model_id})}


class Deploy(BringUp):
    """deployModel."""

    response = "DeployModelResponse"

    def step(self, started: str, request: Json) -> float | Json:
        """Reserve, start, wait, show, route."""
        endpoint, wanted = request["target"], request["message"]["deployedModel"]
        entry = self._rows.entry(endpoint, wanted["id"]) or self._claim(endpoint, wanted)
        model = current(entry)
        if entry["phase"] == "deploying":
            if not self._bring_up(started, model, float(entry["timeout_s"])):
                return POLL_S
            self._show(request, model)
        self._routes.sync()
        return self._shown(endpoint, model.id)

    def _claim(self, endpoint: str, wanted: Json) -> Json:
        """Note the model on its endpoint, and so reserve what it takes, before anything runs."""
        try:
            message = self._platform.models.get(wanted["model"])
        except LookupError as gone:
            raise Failure(CODE_NOT_FOUND, f"{wanted['model']}: {gone}") from gone
        model = serving.from_messages(endpoint, wanted["id"], wanted, message)
        timeout = duration_s((message.get("containerSpec") or {}).get("deploymentTimeout"), TIMEOUT_S)
        rule = autoscaling.rule(wanted).to_json()
        entry = {
            "model": model.to_json(),
            "phase": "deploying",
            "timeout_s": timeout,
            "rule": rule,
            "signer": self._servers.signer,
        }
        self._rows.reserve(endpoint, model, lambda _, entries: entries.update({model.id: entry}))
        return entry

    def _show(self, request: Json, model: DeployedModel) -> None:
        shown = {
            **request["message"]["deployedModel"],
            "model": model.model,
            "modelVersionId": model.model_version_id,
            "displayName": model.display_name,
            "createTime": timestamp(self._platform.now()),
        }
        runtime = self._servers.runtime(model)
        if runtime:
            shown["status"] = {"message": runtime, "lastUpdateTime": shown["createTime"]}
        requested = request["message"].get("trafficSplit") or {}

        def show(message: Json, entries: dict[str, Json]) -> None:
            others = [each for each in message.get("deployedModels", []) if each["id"] != model.id]
            split, ids = message.get("trafficSplit", {}), {each["id"] for each in others}
            message["trafficSplit"] = routes.split_after_deploy(split, requested, model.id, ids)
            message["deployedModels"] = [*others, shown]
            entries[model.id].update(phase="ready", scaled=timestamp(self._platform.now()), runtime=runtime)

        self._rows.change(request["target"], show)

    def undo(self, request: Json) -> None:
        """Remove the servers and the note of them."""
        endpoint, model_id = request["target"], request["message"]["deployedModel"]["id"]
        entry = self._rows.entry(endpoint, model_id)
        if entry and entry["phase"] == "deploying":
            self._servers.remove([serving.group_name(current(entry))], self._servers.found(endpoint))
            self._rows.change(endpoint, lambda _, entries: _drop(entries, model_id))


def _drop(entries: dict[str, Json], model_id: str) -> None:
    entries.pop(model_id, None)


class Mutate(BringUp):
    """mutateDeployedModel: other bounds or targets, and so perhaps another number of replicas.

    The endpoint's controller removes those that are too many, once they are not routed any more.
    """

    response = "MutateDeployedModelResponse"

    def step(self, started: str, request: Json) -> float | Json:
        """Reserve, start, wait, show, route."""
        endpoint, wanted = request["target"], request["message"]["deployedModel"]
        entry = self._rows.entry(endpoint, wanted["id"])
        if entry is None:
            raise Failure(CODE_NOT_FOUND, f"{endpoint} has no deployed model {wanted['id']}")
        refuse_declared(entry, wanted["id"])
        model, rule = current(entry), autoscaling.rule(wanted)
        scaled = model.scaled(rule.clamp(model.replicas))
        if scaled.replicas > model.replicas:
            self._reserve(endpoint, scaled)
            if not self._bring_up(started, scaled, TIMEOUT_S):
                return POLL_S
        self._show(request, scaled, rule)
        self._routes.sync()
        return self._shown(endpoint, model.id)

    def _reserve(self, endpoint: str, scaled: DeployedModel) -> None:
        def reserve(_: Json, entries: dict[str, Json]) -> None:
            entries[scaled.id]["scaling"] = scaled.to_json()
            entries[scaled.id].pop("by_load", None)

        self._rows.reserve(endpoint, scaled, reserve)

    def _show(self, request: Json, scaled: DeployedModel, rule: Rule) -> None:
        resources = request["message"]["deployedModel"].get("dedicatedResources") or {}
        now = timestamp(self._platform.now())

        def show(message: Json, entries: dict[str, Json]) -> None:
            for each in message["deployedModels"]:
                if each["id"] == scaled.id and resources:
                    machine = {k: v for k, v in each.get("dedicatedResources", {}).items() if k == "machineSpec"}
                    each["dedicatedResources"] = {**machine, **resources}
            settle(entries[scaled.id], scaled, now)
            entries[scaled.id]["rule"] = rule.to_json()

        self._rows.change(request["target"], show)

    def undo(self, request: Json) -> None:
        """As many replicas as before; the endpoint's controller removes the others."""
        endpoint, model_id = request["target"], request["message"]["deployedModel"]["id"]

        def unscale(_: Json, entries: dict[str, Json]) -> None:
            if model_id in entries:
                give_up(entries[model_id])

        self._rows.change(endpoint, unscale)
