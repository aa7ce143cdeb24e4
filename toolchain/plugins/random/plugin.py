"""The random plugin's parts put together; called by `__main__.py`."""

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.servicer import Plugin
from toolchain.plugins.common.values import Properties
from toolchain.plugins.random.octets import RandomBytes, RandomId
from toolchain.plugins.random.text import RandomPassword, RandomString

# The official plugin whose schema this one speaks; programs with pulumi-random of this version ask for it.
VERSION = "4.21.4"
# What every provider is configured with.
ENGINE_SETTINGS = frozenset({"version", "pluginDownloadURL"})


def random_plugin() -> Plugin:
    """The plugin; it has no settings."""
    kinds = (RandomBytes, RandomId, RandomPassword, RandomString)
    return Plugin("random", VERSION, {kind.token: kind() for kind in kinds}, functions={}, configure=_no_settings)


def _no_settings(settings: Properties) -> None:
    if settings.keys() - ENGINE_SETTINGS:
        raise ProviderError(
            f"random: there are no settings, so not {', '.join(settings.keys() - ENGINE_SETTINGS)} either"
        )
