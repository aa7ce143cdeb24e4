"""MLflow's registry in memory, behind its REST API: what workloads/registry calls, with MLflow's own error codes.

For unit tests. That the real server answers the same is shown by tests/conformance/test_models.py.
"""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx

Json = dict[str, Any]
_FILTER = re.compile(r"(?P<field>name|tags\.`[^`]+`)\s*=\s*(?P<quote>['\"])(?P<value>.*)(?P=quote)")


class Refused(Exception):
    """MLflow's error: its code and message."""


class FakeMlflow:
    """Registered models and versions; `artifacts` are files by (model, version, path); `calls` counts requests."""

    def __init__(self) -> None:
        self.models: dict[str, Json] = {}
        self.versions: dict[str, dict[str, Json]] = {}
        self.artifacts: dict[tuple[str, str, str], str] = {}
        self.calls: list[str] = []
        self.down = False

    @property
    def transport(self) -> httpx.MockTransport:
        """Where a client is to send its requests."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.down:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api/2.0/mlflow")
        self.calls.append(f"{request.method} {path}")
        values: Json = dict(request.url.params) if request.method == "GET" else json.loads(request.content)
        if path == "/model-versions/get-artifact":
            text = self.artifacts.get((values["name"], values["version"], values["path"]))
            return httpx.Response(404) if text is None else httpx.Response(200, text=text)
        name = f"{request.method.lower()} {path.strip('/')}".replace("-", "_").replace("/", "_").replace(" ", "_")
        handler: Callable[[Json], Json] = getattr(self, f"_{name}")
        try:
            return httpx.Response(200, json=handler(values))
        except Refused as error:
            code, message = error.args
            return httpx.Response(400, json={"error_code": code, "message": message})

    def _model(self, values: Json) -> Json:
        if values["name"] not in self.models:
            raise Refused("RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={values['name']} not found")
        return self.models[values["name"]]

    def _version(self, values: Json) -> Json:
        self._model(values)
        found = self.versions[values["name"]].get(values["version"])
        if found is None:
            raise Refused("RESOURCE_DOES_NOT_EXIST", "Model Version not found")
        return found

    def _get_registered_models_get(self, values: Json) -> Json:
        model = self._model(values)
        aliases = [{"alias": alias, "version": version} for alias, version in model["aliases"].items()]
        latest = list(self.versions[values["name"]].values())[-1:]
        return {"registered_model": {**model, "aliases": aliases, "latest_versions": latest}}

    def _get_registered_models_search(self, values: Json) -> Json:
        """One model per page, so that paging is used."""
        names = sorted(self.models)
        at = int(values.get("page_token", 0))
        found = [self._get_registered_models_get({"name": name})["registered_model"] for name in names[at : at + 1]]
        return {"registered_models": found, "next_page_token": str(at + 1) if at + 1 < len(names) else ""}

    def _post_registered_models_create(self, values: Json) -> Json:
        if values["name"] in self.models:
            raise Refused("RESOURCE_ALREADY_EXISTS", "exists")
        model = {"name": values["name"], "description": values["description"], "aliases": {}}
        self.models[values["name"]] = {**model, "creation_timestamp": _now(), "last_updated_timestamp": _now()}
        self.versions[values["name"]] = {}
        return {}

    def _patch_registered_models_update(self, values: Json) -> Json:
        self._model(values)["description"] = values["description"]
        return {}

    def _delete_registered_models_delete(self, values: Json) -> Json:
        del self.models[values["name"]], self.versions[values["name"]]
        return {}

    def _post_registered_models_alias(self, values: Json) -> Json:
        self._version(values)
        self._model(values)["aliases"][values["alias"]] = values["version"]
        return {}

    def _delete_registered_models_alias(self, values: Json) -> Json:
        self._model(values)["aliases"].pop(values["alias"], None)
        return {}

    def _post_model_versions_create(self, values: Json) -> Json:
        if not re.match(r"[a-z0-9-]+://[^/]+/", values["source"]):
            raise Refused("INVALID_PARAMETER_VALUE", f"Invalid model version source: '{values['source']}'")
        self._model(values)
        number = str(max(map(int, self.versions[values["name"]]), default=0) + 1)
        times = {"creation_timestamp": _now(), "last_updated_timestamp": _now()}
        self.versions[values["name"]][number] = {**values, **times, "version": number}
        return {"model_version": self.versions[values["name"]][number]}

    def _get_model_versions_search(self, values: Json) -> Json:
        every = [version for versions in self.versions.values() for version in versions.values()]
        if wanted := _FILTER.fullmatch(values.get("filter", "")):
            every = [version for version in every if _field(version, wanted["field"]) == wanted["value"]]
        return {"model_versions": every}

    def _get_model_versions_get_download_uri(self, values: Json) -> Json:
        return {
            "artifact_uri": self._version(values)["source"].replace("models:/m-1", "mlflow-artifacts:/1/models/m-1")
        }

    def _patch_model_versions_update(self, values: Json) -> Json:
        self._version(values)["description"] = values["description"]
        return {}

    def _delete_model_versions_delete(self, values: Json) -> Json:
        self._version(values)
        del self.versions[values["name"]][values["version"]]
        return {}

    def _post_model_versions_set_tag(self, values: Json) -> Json:
        self._delete_model_versions_delete_tag(values)
        self._version(values)["tags"].append({"key": values["key"], "value": values["value"]})
        return {}

    def _delete_model_versions_delete_tag(self, values: Json) -> Json:
        version = self._version(values)
        version["tags"] = [tag for tag in version["tags"] if tag["key"] != values["key"]]
        return {}


def _now() -> int:
    return int(time.time() * 1000)


def _field(version: Json, field: str) -> str | None:
    if field == "name":
        return str(version["name"])
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
    return tags.get(field.removeprefix("tags.`").removesuffix("`"))
