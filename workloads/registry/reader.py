"""The reading half of the registry: from Vertex' names to MLflow's models and versions, and to Model messages."""

from collections.abc import Callable, Mapping, Sequence

from workloads.registry import flavours, messages, names
from workloads.registry.client import Json, MlflowClient
from workloads.registry.errors import Invalid, NotFound
from workloads.registry.messages import DEFAULT
from workloads.store import Store

Deployed = Mapping[str, list[Json]]  # from name@version to where it is deployed


class ModelReader:
    """Models and their versions, as Vertex shows them. Safe to use from several threads."""

    def __init__(
        self,
        client: MlflowClient,
        store: Store,
        parent: str,
        artifact_root: str,
        exists: Callable[[str], bool] | None = None,
    ) -> None:
        """A registry over MLflow.

        Args:
            store: asked for the endpoints that have a version deployed.
            artifact_root: gs:// folder of what MLflow calls mlflow-artifacts:/.
            exists: whether a gs:// folder has any object; None to trust uploads.
        """
        self._client = client
        self._store = store
        self._parent = parent
        self._artifact_root = artifact_root
        self._exists = exists
        self._found: dict[tuple[str, str, str], Json] = {}  # of versions that only MLflow knows; they never change

    def get(self, name: str) -> Json:
        """The Model message of projects/…/models/<id>[@version or alias]; without either, of the default version.

        Raises:
            NotFound: no such model, version or alias; says which there are.
        """
        wanted = names.parse(name, self._parent)
        model = self._model(wanted.id)
        return self._message(model, self._pick(model, wanted), self._deployed())

    def list_models(self) -> list[Json]:
        """The default version of every model, the newest first."""
        by_model: dict[str, list[Json]] = {}
        for version in self._client.versions():
            by_model.setdefault(version["name"], []).append(version)
        deployed = self._deployed()
        found = [
            self._message(model, default_version(self._aliases(model), by_model[model["name"]]), deployed)
            for model in self._client.models()
            if model["name"] in by_model
        ]
        return sorted(found, key=lambda message: (message["createTime"], message["name"]), reverse=True)

    def list_versions(self, name: str) -> list[Json]:
        """All versions of a model, the newest first.

        Raises:
            NotFound: no such model.
        """
        model = self._model(names.parse(name, self._parent).id)
        deployed = self._deployed()
        return [self._message(model, version, deployed) for version in self._versions(model["name"])]

    # --- from names to what MLflow has -------------------------------------------------------------------------------

    def _name(self, mlflow_name: str) -> str:
        return f"{self._parent}/models/{names.model_id(mlflow_name)}"

    def _model(self, model_id: str) -> Json:
        try:
            return self._client.model(model_id)
        except NotFound:
            others = self._client.models() if names.may_be_derived(model_id) else ()
            found = next((model for model in others if names.model_id(model["name"]) == model_id), None)
            if found is None:
                raise NotFound(f"model {self._parent}/models/{model_id} does not exist") from None
            return found

    def _both(self, name: str) -> tuple[Json, Json]:
        wanted = names.parse(name, self._parent)
        model = self._model(wanted.id)
        return model, self._pick(model, wanted)

    def _pick(self, model: Json, wanted: names.ModelName) -> Json:
        """The version that the name means."""
        aliases = self._aliases(model)
        versions = self._versions(model["name"])
        if not versions:
            raise NotFound(f"model {wanted.id} has no version yet: MLflow has it, but nothing is registered in it")
        if wanted.version in ("", DEFAULT):
            return default_version(aliases, versions)
        number = aliases.get(wanted.version, wanted.version)
        found = next((version for version in versions if str(version["version"]) == number), None)
        if found is None:
            known = ", ".join([*(str(version["version"]) for version in versions), *sorted(aliases)])
            raise NotFound(f"model {wanted.id} has no version or alias {wanted.version!r}; it has {known}")
        return found

    def _versions(self, mlflow_name: str) -> list[Json]:
        found = self._client.versions(f"name={quoted(mlflow_name)}")
        return sorted(found, key=lambda version: int(version["version"]), reverse=True)

    @staticmethod
    def _aliases(model: Json) -> dict[str, str]:
        return {each["alias"]: str(each["version"]) for each in model.get("aliases", [])}

    # --- messages ----------------------------------------------------------------------------------------------------

    def _message(self, model: Json, version: Json, deployed: Deployed) -> Json:
        number = str(version["version"])
        aliases = {alias for alias, of in self._aliases(model).items() if of == number}
        if not self._aliases(model).get(DEFAULT) and number == _newest(model, version):
            aliases.add(DEFAULT)
        name = self._name(model["name"])
        message = messages.build(name, model, version, aliases, deployed.get(f"{name}@{number}", []))
        message |= self._place(version)
        return {**message, "etag": messages.etag(message)}

    def _place(self, version: Json) -> Json:
        """artifactUri, and for a version that only MLflow knows the container of its flavour."""
        source = str(version.get("source", ""))
        if messages.kept(version):
            uri = messages.artifact_uri(source, self._artifact_root)
            return {"artifactUri": uri} if uri else {}
        key = (str(version["name"]), str(version["version"]), source)
        if key not in self._found:
            self._found[key] = self._look_at(version)
        return self._found[key]

    def _look_at(self, version: Json) -> Json:
        name, number = str(version["name"]), str(version["version"])
        uri = messages.artifact_uri(self._client.download_uri(name, number), self._artifact_root)
        image = flavours.image(self._client.artifact(name, number, "MLmodel")) if uri else ""
        return ({"artifactUri": uri} if uri else {}) | ({"containerSpec": {"imageUri": image}} if image else {})

    # --- deployments -------------------------------------------------------------------------------------------------

    def _deployed(self) -> Deployed:
        """From name@version to where it is deployed."""
        found: dict[str, list[Json]] = {}
        for row in self._store.list("endpoints"):
            for each in row.message.get("deployedModels", []):
                name, _, version = str(each.get("model", "")).partition("@")
                number = str(each.get("modelVersionId") or version)
                reference = {"endpoint": row.name, "deployedModelId": str(each.get("id", ""))}
                found.setdefault(f"{name}@{number}", []).append(reference)
        return found


def default_version(aliases: Mapping[str, str], versions: Sequence[Json]) -> Json:
    """The version with the alias "default", else the newest."""
    newest = max(versions, key=lambda version: int(version["version"]))
    return next((v for v in versions if str(v["version"]) == aliases.get(DEFAULT)), newest)


def _newest(model: Json, version: Json) -> str:
    """The number of the model's newest version, as the registered model tells it."""
    numbers = [int(each["version"]) for each in model.get("latest_versions", [])]
    return str(max(numbers, default=int(version["version"])))


def quoted(text: str) -> str:
    """A string in MLflow's filter language.

    Raises:
        Invalid: it has both kinds of quotes, which the language can't express.
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    raise Invalid(f"the name {text!r} has both kinds of quotes, which MLflow can't search for")
