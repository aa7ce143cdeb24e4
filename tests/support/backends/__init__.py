"""The places where the conformance suite runs a stack, one module each."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.support.backends.base import Site
from tests.support.backends.docker import DockerSite
from tests.support.backends.kubernetes import KubernetesSite

SITES: Final[Mapping[str, Callable[[], Site]]] = {"docker": DockerSite, "kubernetes": KubernetesSite}
