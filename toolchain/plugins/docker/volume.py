"""docker:index/volume:Volume. A volume holds data: one that is there already is never taken over silently."""

from typing import Any

from toolchain.plugins.common.resource import Call, Created, Found, ProviderError, Resource
from toolchain.plugins.common.table import Kind, Problem, Property, kept_where_same, same
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker.engine import Engine, doing, is_ours, marked_as_ours, without_mark
from toolchain.plugins.docker.fields import labels_from_map, labels_to_map

LABEL_FIELDS = frozenset({"label", "value"})
TABLE = {
    "name": Property(Kind.STRING),
    "driver": Property(Kind.STRING, default="local"),
    "driverOpts": Property(Kind.MAP),
    "labels": Property(Kind.OBJECTS, fields=LABEL_FIELDS, needs=LABEL_FIELDS),
    "cluster": Property(Kind.OBJECT),
}


class Volume(Resource):
    """A volume of the engine; its id is its name."""

    token = "docker:index/volume:Volume"
    table = TABLE
    computed = ("driver", "mountpoint")
    autonamed = "name"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def problems(self, inputs: Properties) -> list[Problem]:
        """Cluster volumes are Swarm's."""
        reason = "Cairn's docker plugin makes no cluster (CSI) volumes; the official plugin does"
        return [Problem("cluster", reason)] if "cluster" in inputs else []

    def create(self, call: Call, inputs: Properties) -> Created:
        """Make the volume; one that this resource made before is taken over with its data."""
        name = inputs["name"]
        present = self._inspect(name)
        if present is not None and not is_ours(present.get("Labels"), call):
            raise ProviderError(
                f"a volume {name} exists already and this resource did not make it. To keep its data, import it "
                f"(pulumi import {self.token} {call.name} {name}); else choose another name or remove it "
                f"(docker volume rm {name})"
            )
        if present is None:
            self._make(call, name, inputs)
        return Created(name, _outputs(self._present(name)))

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """Look the volume up by its name."""
        volume = self._inspect(identifier)
        if volume is None:
            return None
        return Found(identifier, kept_where_same(TABLE, inputs, _inputs(volume)), _outputs(volume))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces; what is left to do is nothing."""
        return _outputs(self._present(identifier))

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Remove the volume and its data."""
        from docker.errors import NotFound

        with doing(f"remove the volume {identifier}"):
            try:
                self._engine.client().remove_volume(identifier)
            except NotFound:
                return

    def _make(self, call: Call, name: str, inputs: Properties) -> None:
        with doing(f"create the volume {name}"):
            self._engine.client().create_volume(
                name,
                driver=inputs.get("driver"),
                driver_opts=inputs.get("driverOpts"),
                labels=marked_as_ours(labels_to_map(inputs.get("labels")), call),
            )

    def _present(self, name: str) -> dict[str, Any]:
        volume = self._inspect(name)
        if volume is None:
            raise ProviderError(f"the volume {name} is gone: run `pulumi refresh`, then `pulumi up`")
        return volume

    def _inspect(self, name: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        with doing(f"look up the volume {name}"):
            try:
                volume: dict[str, Any] = self._engine.client().inspect_volume(name)
            except NotFound:
                return None
        return volume


def _inputs(volume: dict[str, Any]) -> Properties:
    inputs = {
        "name": volume["Name"],
        "driver": volume["Driver"],
        "driverOpts": volume["Options"],
        "labels": labels_from_map(without_mark(volume["Labels"])),
    }
    return {name: value for name, value in inputs.items() if name == "name" or not same(TABLE[name], None, value)}


def _outputs(volume: dict[str, Any]) -> Properties:
    return {"driver": volume["Driver"], "mountpoint": volume["Mountpoint"]}
