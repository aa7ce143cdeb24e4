"""What runs containers: one protocol (base), one set of files per engine."""

from collections.abc import Callable

from workloads.config import PlatformConfig
from workloads.controllers.engines.base import Engine


def open(config: PlatformConfig, has_bucket: Callable[[str], bool]) -> Engine:  # noqa: A001  read as engines.open, like tarfile.open
    """The stack's engine. Each engine's client is imported only where it is used: it takes a while and some memory.

    Args:
        has_bucket: whether the object store has a bucket; see KubernetesEngine.

    Raises:
        RuntimeError: this build has no such engine, or its settings are missing.
    """
    if config.engine == "docker":
        from workloads.controllers.engines.docker import DockerEngine

        return DockerEngine(config.stack, config.networks, place_image=config.images.get("batch", ""))
    if config.cluster is not None:
        from workloads.controllers.engines import kubernetes_api
        from workloads.controllers.engines.kubernetes import KubernetesEngine
        from workloads.controllers.engines.kubernetes_objects import Place

        api = kubernetes_api.Api(kubernetes_api.in_cluster(), config.cluster.namespace)
        return KubernetesEngine(api, Place(config.stack, config.cluster, config.accelerators), has_bucket)
    raise RuntimeError(
        f"the controllers can't run on {config.engine!r}: PlatformConfig.engine must be 'docker', or 'kubernetes' "
        "with PlatformConfig.cluster"
    )
