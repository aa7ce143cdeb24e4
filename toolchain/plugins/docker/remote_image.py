"""docker:index/remoteImage:RemoteImage and docker:index/tag:Tag: images that come from elsewhere, and their names."""

from toolchain.plugins.common.resource import Call, Created, Found, ProviderError, Resource
from toolchain.plugins.common.table import Kind, Problem, Property
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker.engine import Engine, doing
from toolchain.plugins.docker.images import ensure_local, inspect_image

IMAGE_TABLE = {
    "name": Property(Kind.STRING, required=True),
    "build": Property(Kind.OBJECT, replaces=False),
    "forceRemove": Property(Kind.BOOLEAN, replaces=False, default=False),
    "keepLocally": Property(Kind.BOOLEAN, replaces=False, default=False),
    "platform": Property(Kind.STRING, default=""),
    "pullTriggers": Property(Kind.STRINGS),
    "triggers": Property(Kind.MAP),
}
TAG_TABLE = {
    "sourceImage": Property(Kind.STRING, required=True),
    "targetImage": Property(Kind.STRING, required=True),
    "tagTriggers": Property(Kind.STRINGS),
}


class RemoteImage(Resource):
    """An image of that name on the engine, pulled only where there is none; the id is the image's id and name."""

    token = "docker:index/remoteImage:RemoteImage"
    table = IMAGE_TABLE
    computed = ("imageId", "repoDigest")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def problems(self, inputs: Properties) -> list[Problem]:
        """Building is Image's."""
        reason = "Cairn's docker plugin builds with docker.Image only; the official plugin builds here too"
        return [Problem("build", reason)] if "build" in inputs else []

    def create(self, call: Call, inputs: Properties) -> Created:
        """Use the engine's image, or pull it."""
        image = ensure_local(self._engine, call, inputs["name"], inputs.get("platform"))
        return Created(image["Id"] + inputs["name"], _image_outputs(image))

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The image of that name; to import one, give its name."""
        name = inputs.get("name", identifier)
        image = inspect_image(self._engine, name)
        if image is None:
            return None
        return Found(image["Id"] + name, inputs or {"name": name}, _image_outputs(image))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """What can change in place only says how to delete."""
        image = inspect_image(self._engine, new["name"])
        if image is None:
            raise ProviderError(f"the image {new['name']} is gone: run `pulumi refresh`, then `pulumi up`")
        return _image_outputs(image)

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Remove the image unless it is to be kept."""
        from docker.errors import ImageNotFound

        if inputs.get("keepLocally", False):
            return
        with doing(f"remove the image {inputs['name']} (set keepLocally to leave it)"):
            try:
                self._engine.client().remove_image(inputs["name"], force=inputs.get("forceRemove", False))
            except ImageNotFound:
                return


class Tag(Resource):
    """Another name for an image; as with the official provider, deleting the resource leaves the name."""

    token = "docker:index/tag:Tag"
    table = TAG_TABLE
    computed = ("sourceImageId",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, call: Call, inputs: Properties) -> Created:
        """Give the image its name."""
        source, target = inputs["sourceImage"], inputs["targetImage"]
        with doing(f"tag {source} as {target}"):
            self._engine.client().tag(source, target, force=True)
        image = inspect_image(self._engine, source)
        return Created(f"{source}.{target}", {"sourceImageId": image["Id"] if image else ""})

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """The tag is there when the target is the source's image."""
        if not inputs:
            raise ProviderError("a tag can't be imported: its id does not tell where the two names part")
        source, target = (inspect_image(self._engine, inputs[name]) for name in ("sourceImage", "targetImage"))
        if source is None or target is None or source["Id"] != target["Id"]:
            return None
        return Found(identifier, inputs, {"sourceImageId": source["Id"]})

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces."""
        return self.create(call, new).outputs

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Leave the name, and the image with it."""


def _image_outputs(image: dict[str, object]) -> Properties:
    digests = image.get("RepoDigests")
    return {"imageId": image["Id"], "repoDigest": digests[0] if isinstance(digests, list) and digests else ""}
