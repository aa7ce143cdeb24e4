"""The kubernetes plugin's parts put together; called by `__main__.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from toolchain.plugins.common.service import Function, Service
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.connection import Connection
from toolchain.plugins.kubernetes.functions import REFUSED, decode_yaml, refuse
from toolchain.plugins.kubernetes.provider import Provider

# The official plugin whose schema this one speaks; programs with pulumi-kubernetes of this version ask for it.
VERSION = "4.34.2"


@dataclass(frozen=True)
class KubernetesPlugin:
    """The plugin over one cluster, which is not connected yet."""

    cluster: Cluster
    functions: Mapping[str, Function]
    name: str = "kubernetes"
    version: str = VERSION

    def configure(self, settings: Properties) -> None:
        """Take the provider's settings."""
        self.cluster.connection.configure(settings)

    def servicer(self, engine: str) -> Service:
        """The servicer for the engine at an address."""
        return Provider(self, self.cluster, engine)


def kubernetes_plugin() -> KubernetesPlugin:
    """A plugin that is not connected to any cluster yet."""
    cluster = Cluster(Connection())
    functions = {
        "kubernetes:yaml:decode": partial(decode_yaml, cluster),
        **{token: partial(refuse, token) for token in REFUSED},
    }
    return KubernetesPlugin(cluster, functions)
