"""Creates containers on the Docker engine: mounts, network and image of a ContainerSpec. Used by docker.py."""

import http
import re
from collections.abc import Callable
from typing import Any, Final

import docker
from docker.errors import APIError, ImageNotFound

from workloads.controllers.engines import docker_options
from workloads.controllers.engines.base import ImageMissing
from workloads.plans.container import ContainerSpec, Mount

_MISSING_SOURCE: Final = re.compile(r"bind source path does not exist: (\S+)")


class Maker:
    """Of one stack.

    Args:
        prefix: of the names that its containers have on the engine.
        network: the engine's name of the network that a container is made in.
    """

    def __init__(
        self, client: docker.DockerClient, stack: str, prefix: str, network: Callable[[ContainerSpec], str]
    ) -> None:
        self._docker, self._stack, self._prefix, self._network_of = client, stack, prefix, network
        self._roots: dict[str, str] = {}  # of volumes, on the engine's disk

    def pull(self, image: str) -> None:
        """Have the image.

        Raises:
            ImageMissing: it can't be had.
        """
        try:
            self._docker.images.pull(image)
        except (APIError, ImageNotFound) as error:
            words = error.explanation or error
            raise ImageMissing(f"image {image} is not on this engine, and can't be pulled: {words}") from error

    def create(self, spec: ContainerSpec, place: str | None = None) -> bool:
        """Create the container, in a place's network if one is given; False if one of its name is there already."""
        mounts = [self._mount(each) for each in spec.mounts]
        mounts += docker_options.secret_volumes(spec, self._stack)
        while True:
            try:
                self._docker.api.create_container(
                    name=self._prefix + spec.name,
                    **self._network(spec, place, mounts),
                    **docker_options.container(spec, self._stack),
                )
            except ImageNotFound:
                self.pull(spec.image)
            except APIError as error:
                if error.status_code == http.HTTPStatus.CONFLICT:
                    return False
                missing = _MISSING_SOURCE.search(str(error.explanation))
                if missing is None:
                    raise
                # A bucket that does not exist has no folder: the job sees none either. Making one would make a bucket.
                mounts = [mount for mount in mounts if mount["Source"] != missing[1]]
            else:
                return True

    def _network(self, spec: ContainerSpec, place: str | None, mounts: list[Any]) -> dict[str, Any]:
        """The host config with its network: the container's own, or the place's, which has a host name already."""
        api, options = self._docker.api, docker_options.host(spec)
        if place:
            return {"host_config": api.create_host_config(network_mode=f"container:{place}", mounts=mounts, **options)}
        network = self._network_of(spec)
        endpoints: Any = {network: api.create_endpoint_config(aliases=[spec.name])}  # types-docker knows only one
        return {
            "hostname": spec.name,
            "host_config": api.create_host_config(network_mode=network, mounts=mounts, **options),
            "networking_config": api.create_networking_config(endpoints),
        }

    def _mount(self, mount: Mount) -> Any:
        if not mount.subpath:
            return docker.types.Mount(mount.target, mount.volume, type="volume", read_only=mount.read_only)
        # Engines before 26 can't mount a folder of a volume; its place on the engine's disk works with all of them.
        docker_options.check_subpath(mount.subpath)
        root = self._roots.get(mount.volume) or str(self._docker.api.inspect_volume(mount.volume)["Mountpoint"])
        self._roots[mount.volume] = root
        return docker.types.Mount(mount.target, f"{root}/{mount.subpath}", type="bind", read_only=mount.read_only)
