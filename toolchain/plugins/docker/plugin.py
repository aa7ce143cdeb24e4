"""The docker plugin's parts put together; called by `__main__.py`."""

from functools import partial

from toolchain.plugins.common.servicer import Plugin
from toolchain.plugins.docker.container import Container
from toolchain.plugins.docker.engine import Engine
from toolchain.plugins.docker.functions import get_network, get_remote_image
from toolchain.plugins.docker.image import Image
from toolchain.plugins.docker.network import Network
from toolchain.plugins.docker.remote_image import RemoteImage, Tag
from toolchain.plugins.docker.volume import Volume

# The official plugin whose schema this one speaks; programs with pulumi-docker of this version ask for it.
VERSION = "5.2.0"


def docker_plugin() -> Plugin:
    """A plugin that is not connected to any engine yet."""
    engine = Engine()
    kinds = (Container, Image, Network, RemoteImage, Tag, Volume)
    return Plugin(
        name="docker",
        version=VERSION,
        resources={kind.token: kind(engine) for kind in kinds},
        functions={
            "docker:index/getNetwork:getNetwork": partial(get_network, engine),
            "docker:index/getRemoteImage:getRemoteImage": partial(get_remote_image, engine),
        },
        configure=engine.configure,
    )
