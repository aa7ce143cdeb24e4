"""docker:index/network:Network. Nothing of a network can be changed once it is there: every change replaces it."""

import time
from typing import Any, Final

from toolchain.plugins.common.resource import Call, Created, Found, ProviderError, Resource
from toolchain.plugins.common.table import Kind, Property, same
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker.engine import Engine, NameTakenError, doing, is_ours, marked_as_ours, without_mark
from toolchain.plugins.docker.fields import labels_from_map, labels_to_map, renamed, reversed_names

IPAM_NAMES = {"subnet": "Subnet", "ipRange": "IPRange", "gateway": "Gateway", "auxAddress": "AuxiliaryAddresses"}
UNUSED_WITHIN_S: Final = 30.0  # as the official provider waits
UNUSED_PAUSE_S: Final = 0.2
LABEL_FIELDS = frozenset({"label", "value"})
TABLE = {
    "name": Property(Kind.STRING),
    "driver": Property(Kind.STRING, default="bridge"),
    "internal": Property(Kind.BOOLEAN, default=False),
    "attachable": Property(Kind.BOOLEAN, default=False),
    "ingress": Property(Kind.BOOLEAN, default=False),
    "ipv6": Property(Kind.BOOLEAN, default=False),
    "ipamDriver": Property(Kind.STRING, default="default"),
    "ipamOptions": Property(Kind.MAP),
    "ipamConfigs": Property(Kind.OBJECTS, fields=frozenset(IPAM_NAMES)),
    "labels": Property(Kind.OBJECTS, fields=LABEL_FIELDS, needs=LABEL_FIELDS),
    "options": Property(Kind.MAP),
}


class Network(Resource):
    """A network of the engine; its id is the engine's."""

    token = "docker:index/network:Network"
    table = TABLE
    computed = ("driver", "internal", "ipamConfigs", "options", "scope")
    autonamed = "name"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, call: Call, inputs: Properties) -> Created:
        """Make the network; one that an interrupted `up` left behind is removed first."""
        name = inputs["name"]
        self._make_room(call, name)
        try:
            identifier = self._make(call, name, inputs)
        except NameTakenError:  # by what a killed run had asked of the engine, which is done only now
            self._make_room(call, name)
            identifier = self._make(call, name, inputs)
        return Created(identifier, network_outputs(self._present(identifier)))

    def _make(self, call: Call, name: str, inputs: Properties) -> str:
        with doing(f"create the network {name}"):
            made: dict[str, str] = self._engine.client().create_network(
                name,
                driver=inputs.get("driver", "bridge"),
                options=inputs.get("options"),
                ipam=_ipam(inputs),
                check_duplicate=True,
                internal=inputs.get("internal", False),
                labels=marked_as_ours(labels_to_map(inputs.get("labels")), call),
                enable_ipv6=inputs.get("ipv6", False),
                attachable=inputs.get("attachable"),
                ingress=inputs.get("ingress"),
            )
        return made["Id"]

    def read(self, call: Call, identifier: str, inputs: Properties) -> Found | None:
        """Look the network up by its id (or its name, to import it)."""
        network = self._inspect(identifier)
        if network is None:
            return None
        # An id is never given twice and its network never changes: declared inputs stay as they were written.
        return Found(network["Id"], inputs or _inputs(network), network_outputs(network))

    def update(self, call: Call, identifier: str, old: Properties, new: Properties) -> Properties:
        """Every change replaces; what is left to do is nothing."""
        return network_outputs(self._present(identifier))

    def delete(self, call: Call, identifier: str, inputs: Properties) -> None:
        """Remove the network; who still uses it is waited for, as containers go at the same time, and then told."""
        from docker.errors import APIError, NotFound

        deadline = time.monotonic() + UNUSED_WITHIN_S
        while network := self._inspect(identifier):
            users = ", ".join(sorted(user["Name"] for user in (network.get("Containers") or {}).values()))
            lost = "; if it says active endpoints though nobody uses it, it has lost count: restart the engine, repeat"
            with doing(f"remove the network {network['Name']}" + (f", which {users} still use" if users else lost)):
                try:
                    self._engine.client().remove_network(identifier)
                    return
                except NotFound:
                    return
                except APIError as error:  # one who leaves is shown no more, but counts, until it has left
                    if "active endpoints" not in str(error.explanation) or time.monotonic() > deadline:
                        raise
            time.sleep(UNUSED_PAUSE_S)

    def _present(self, identifier: str) -> dict[str, Any]:
        network = self._inspect(identifier)
        if network is None:
            raise ProviderError(f"the network {identifier} is gone: run `pulumi refresh`, then `pulumi up`")
        return network

    def _inspect(self, identifier: str) -> dict[str, Any] | None:
        from docker.errors import NotFound

        with doing(f"look up the network {identifier}"):
            try:
                network: dict[str, Any] = self._engine.client().inspect_network(identifier)
            except NotFound:
                return None
        return network

    def _make_room(self, call: Call, name: str) -> None:
        with doing(f"look for networks named {name}"):
            namesakes = [n for n in self._engine.client().networks(names=[name]) if n["Name"] == name]
        for network in namesakes:
            if not is_ours(network.get("Labels"), call):
                raise ProviderError(
                    f"a network {name} exists already and this resource did not make it: "
                    f"give this one another name, import it, or remove it (docker network rm {name})"
                )
            call.status("removing what an interrupted run left")
            self.delete(call, network["Id"], {})


def _ipam(inputs: Properties) -> dict[str, Any] | None:
    if not inputs.keys() & {"ipamConfigs", "ipamDriver", "ipamOptions"}:
        return None
    return {
        "Driver": inputs.get("ipamDriver", "default"),
        "Options": inputs.get("ipamOptions"),
        "Config": [renamed(config, IPAM_NAMES) for config in inputs.get("ipamConfigs", [])],
    }


def _inputs(network: dict[str, Any]) -> Properties:
    ipam = network["IPAM"] or {}
    inputs = {
        "name": network["Name"],
        "driver": network["Driver"],
        "internal": network["Internal"],
        "attachable": network["Attachable"],
        "ingress": network["Ingress"],
        "ipv6": network["EnableIPv6"],
        "ipamDriver": ipam.get("Driver"),
        "ipamOptions": ipam.get("Options"),
        "ipamConfigs": [renamed(config, reversed_names(IPAM_NAMES)) for config in ipam.get("Config") or []],
        "labels": labels_from_map(without_mark(network["Labels"])),
        "options": network["Options"],
    }
    return {name: value for name, value in inputs.items() if name == "name" or not same(TABLE[name], None, value)}


def network_outputs(network: dict[str, Any]) -> Properties:
    """What the engine decided."""
    return {
        "driver": network["Driver"],
        "internal": network["Internal"],
        "ipamConfigs": [renamed(c, reversed_names(IPAM_NAMES)) for c in (network["IPAM"] or {}).get("Config") or []],
        "options": network["Options"] or {},
        "scope": network["Scope"],
    }
