"""The functions of the schema that cost one question to the engine: getNetwork and getRemoteImage."""

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.docker.engine import Engine, doing
from toolchain.plugins.docker.images import inspect_image
from toolchain.plugins.docker.network import network_outputs


def get_network(engine: Engine, arguments: Properties) -> Properties:
    """A network that is there."""
    from docker.errors import NotFound

    name = arguments["name"]
    with doing(f"look up the network {name}"):
        try:
            network = engine.client().inspect_network(name)
        except NotFound:
            raise ProviderError(f"there is no network {name} on the engine") from None
    return {"id": network["Id"], "name": network["Name"], **network_outputs(network)}


def get_remote_image(engine: Engine, arguments: Properties) -> Properties:
    """An image that the engine has."""
    name = arguments["name"]
    image = inspect_image(engine, name)
    if image is None:
        raise ProviderError(f"there is no image {name} on the engine; RemoteImage pulls one")
    digests = image.get("RepoDigests") or [""]
    return {"id": image["Id"], "name": name, "repoDigest": digests[0]}
