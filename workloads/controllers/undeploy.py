"""undeployModel: traffic away first, then the servers."""

from workloads.controllers.deploy import refuse_declared
from workloads.controllers.endpoint_rows import EndpointRows, current
from workloads.controllers.gateway import Routes
from workloads.controllers.platform import Json
from workloads.controllers.servers import Servers
from workloads.plans import routes, serving, shadows


class Undeploy:
    """undeployModel."""

    response = "UndeployModelResponse"

    def __init__(self, rows: EndpointRows, servers: Servers, table: Routes) -> None:
        self._rows, self._servers, self._routes = rows, servers, table

    def step(self, started: str, request: Json) -> float | Json:
        """Hide, route, stop, forget."""
        endpoint, model_id = request["target"], request["message"]["deployedModelId"]
        entry = self._rows.entry(endpoint, model_id)
        if entry is None:
            return {}
        refuse_declared(entry, model_id)
        self._hide(request, model_id)
        self._routes.sync()
        self._servers.remove([serving.group_name(current(entry))], self._servers.found(endpoint))
        self._rows.change(endpoint, lambda _, entries: _drop(entries, model_id))
        return {}

    def _hide(self, request: Json, model_id: str) -> None:
        requested = request["message"].get("trafficSplit") or {}

        def hide(message: Json, entries: dict[str, Json]) -> None:
            models = message.get("deployedModels", [])
            ids = {each["id"] for each in models}
            if model_id in ids:
                split = routes.split_after_undeploy(message.get("trafficSplit", {}), requested, model_id, ids)
                message["trafficSplit"] = split
                message["deployedModels"] = [each for each in models if each["id"] != model_id]
                if "labels" in message:
                    message["labels"] = shadows.without(message["labels"], [model_id])
            entries[model_id]["phase"] = "undeploying"

        self._rows.change(request["target"], hide)

    def undo(self, request: Json) -> None:
        """It fails only before it has changed anything."""


def _drop(entries: dict[str, Json], model_id: str) -> None:
    entries.pop(model_id, None)
