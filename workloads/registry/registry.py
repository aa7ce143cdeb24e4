"""The registry: Vertex' verbs on models, carried out in MLflow. Made by open_registry()."""

from collections.abc import Mapping, Sequence
from typing import Final

from workloads.registry import messages, names
from workloads.registry.client import Json
from workloads.registry.errors import AlreadyExists, FailedPrecondition, Invalid
from workloads.registry.messages import DEFAULT
from workloads.registry.reader import Deployed, ModelReader, default_version, quoted

MUTABLE: Final = ("displayName", "description", "versionDescription", "labels")


class Registry(ModelReader):
    """Reads models and changes them. Safe to use from several threads."""

    def upload(self, model: Json, *, model_id: str = "", parent_model: str = "", key: str = "") -> Json:
        """A new version of `parent_model`, or a new model; the default version if it is the first or says so.

        Args:
            model: Vertex' Model; versionAliases may name "default".
            model_id: of a new model; a number when there is none.
            key: whoever asks twice with the same key gets the version of the first time.

        Raises:
            NotFound, AlreadyExists, Unavailable.
            Invalid: among others, nothing is under artifactUri.
        """
        uri = str(model.get("artifactUri", ""))
        if uri and self._exists and not self._exists(uri):
            raise Invalid(f"artifactUri {uri} is empty or not there: upload the model's files first")
        aliases = set(model.get("versionAliases", []))
        for alias in aliases:
            names.check_alias(alias)
        made = self._made(key) if key else None
        if made is None:
            made = self._new_version(model, self._home(model, model_id, parent_model), key, keep=bool(parent_model))
        name = made["name"]
        if not self._aliases(self._client.model(name)).get(DEFAULT):
            aliases.add(DEFAULT)
        for alias in sorted(aliases):
            self._client.set_alias(name, alias, str(made["version"]))
        return self.get(f"{self._name(name)}@{made['version']}")

    def _new_version(self, model: Json, name: str, key: str, *, keep: bool) -> Json:
        """Make the version; a registered model that was made for it goes again when MLflow refuses it."""
        tags = messages.tags_of(model) | ({messages.TAG_KEY: key} if key else {})
        description = str(model.get("versionDescription", ""))
        try:
            return self._client.create_version(name, messages.source_of(model), description, tags)
        except Invalid:
            if not keep:
                self._client.delete_model(name)
            raise

    def _made(self, key: str) -> Json | None:
        filter_string = f"tags.`{messages.TAG_KEY}` = {quoted(key)}"
        return next(iter(self._client.versions(filter_string)), None)

    def _home(self, model: Json, model_id: str, parent_model: str) -> str:
        """The registered model that the version goes into."""
        if parent_model:
            found: str = self._model(names.parse(parent_model, self._parent).id)["name"]
            return found
        if model_id:
            names.check_new(model_id)
        name = model_id or self._store.new_id()
        try:
            self._client.create_model(name, str(model.get("description", "")))
        except AlreadyExists:
            if self._versions(name):
                text = "name it as the parent model to add a version to it"
                raise AlreadyExists(f"model {model_id} exists already: {text}") from None
        return name

    def update(self, name: str, model: Json, mask: Sequence[str]) -> Json:
        """Change the fields of `mask` to what `model` says.

        Raises:
            Invalid: a field that can't be changed.
        """
        wrong = [field for field in mask if field not in MUTABLE]
        if wrong:
            raise Invalid(f"{', '.join(wrong)} of a model can't be updated; these can: {', '.join(MUTABLE)}")
        registered, version = self._both(name)
        mlflow_name, number = registered["name"], str(version["version"])
        if "description" in mask:
            self._client.update_model(mlflow_name, str(model.get("description", "")))
        if "versionDescription" in mask:
            self._client.update_version(mlflow_name, number, str(model.get("versionDescription", "")))
        if "labels" in mask:
            self._set_labels(version, model.get("labels", {}))
        if "displayName" in mask:
            changed = messages.tags_of({**self._complete(version), "displayName": model.get("displayName", "")})
            self._client.set_tag(mlflow_name, number, messages.TAG_MESSAGE, changed[messages.TAG_MESSAGE])
        return self.get(f"{self._name(mlflow_name)}@{number}")

    def merge_version_aliases(self, name: str, aliases: Sequence[str]) -> Json:
        """Give the version these aliases, and take those from it that are written with a '-' before them.

        Raises:
            Invalid: an alias that can't be one, or "default" is to be taken away.
        """
        registered, version = self._both(name)
        mlflow_name, number = registered["name"], str(version["version"])
        for alias in aliases:
            names.check_alias(alias.removeprefix("-"))
        if f"-{DEFAULT}" in aliases:
            raise Invalid("the alias default can't be taken away: give it to another version instead")
        for alias in aliases:
            if not alias.startswith("-"):
                self._client.set_alias(mlflow_name, alias, number)
            elif self._aliases(registered).get(alias[1:]) == number:
                self._client.delete_alias(mlflow_name, alias[1:])
        return self.get(f"{self._name(mlflow_name)}@{number}")

    def delete(self, name: str) -> None:
        """Delete a model with all its versions; the artefacts stay.

        Raises:
            FailedPrecondition: a version is deployed.
        """
        mlflow_name = self._model(names.parse(name, self._parent).id)["name"]
        self._refuse_deployed(self._name(mlflow_name), self._deployed())
        self._client.delete_model(mlflow_name)

    def delete_version(self, name: str) -> None:
        """Delete one version.

        Raises:
            FailedPrecondition: it is deployed, the default, or the only one.
        """
        registered, version = self._both(name)
        mlflow_name, number = registered["name"], str(version["version"])
        versions = self._versions(mlflow_name)
        if len(versions) == 1:
            raise FailedPrecondition(f"{name} is the only version: delete the model instead")
        if str(default_version(self._aliases(registered), versions)["version"]) == number:
            raise FailedPrecondition(f"{name} is the default version: give the alias default to another one first")
        self._refuse_deployed(f"{self._name(mlflow_name)}@{number}", self._deployed())
        self._client.delete_version(mlflow_name, number)

    def _complete(self, version: Json) -> Json:
        """All of the message that our tag must hold, for a version that may not have had the tag."""
        return messages.kept(version) or self._place(version)

    def _set_labels(self, version: Json, wanted: Mapping[str, str]) -> None:
        name, number, have = version["name"], str(version["version"]), messages.labels(version)
        for key in have.keys() - wanted.keys():
            self._client.delete_tag(name, number, key)
        for key, value in wanted.items():
            if have.get(key) != value:
                self._client.set_tag(name, number, key, value)

    @staticmethod
    def _refuse_deployed(name: str, deployed: Deployed) -> None:
        for versioned, places in deployed.items():
            if versioned == name or versioned.startswith(f"{name}@"):
                where = ", ".join(place["endpoint"] for place in places)
                raise FailedPrecondition(f"{versioned} is deployed to {where}: undeploy it first")
