"""What runs containers: one protocol (base), one file per engine."""

from workloads.config import PlatformConfig
from workloads.controllers.engines.base import Engine


def open(config: PlatformConfig) -> Engine:  # noqa: A001  read as engines.open, like tarfile.open
    """The stack's engine. Each engine's client is imported only where it is used: it takes a while and some memory.

    Raises:
        RuntimeError: this build has no such engine.
    """
    if config.engine == "docker":
        from workloads.controllers.engines.docker import DockerEngine

        return DockerEngine(config.stack, config.networks)
    raise RuntimeError(f"the controllers have no engine {config.engine!r}; PlatformConfig.engine must be 'docker'")
