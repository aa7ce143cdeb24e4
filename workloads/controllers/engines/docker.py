"""The Docker engine, 20.10 and newer, through docker-py. Used by the controllers' main program."""

import http
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from workloads import contract
from workloads.controllers.engines import docker_options
from workloads.controllers.engines.base import Container, ImageMissing, LogEntry, Refused, Unavailable
from workloads.plans.container import ContainerSpec

_MISSING_SOURCE: Final = re.compile(r"bind source path does not exist: (\S+)")
_NEVER_STARTS: Final = ("OCI runtime", "exec format", "executable file not found", "no such file or directory")


@contextmanager
def _engine_words() -> Iterator[None]:
    """Docker's and the connection's errors in the protocol's terms."""
    try:
        yield
    except APIError as error:
        words = str(error.explanation or error)
        # A command that is not in the image is a server error to older engines, though no retry can help.
        if error.is_client_error() or any(sign in words for sign in _NEVER_STARTS):
            raise Refused(words) from error
        raise Unavailable(f"the Docker engine failed: {words}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise Unavailable(f"the Docker engine does not answer: {error}") from error


class DockerEngine:
    """Containers of one stack on a Docker engine.

    Args:
        networks: from a contract network ("workloads") to the engine's name for it.
    """

    def __init__(self, stack: str, networks: Mapping[str, str], base_url: str | None = None) -> None:
        self._stack = stack
        self._networks = networks
        self._prefix = f"cairn-{stack}-"
        with _engine_words():
            self._docker = docker.DockerClient(base_url) if base_url else docker.from_env()

    def ensure_image(self, image: str) -> None:
        """Have the image, pulling it if need be."""
        with _engine_words():
            try:
                self._docker.images.get(image)
                return
            except ImageNotFound:
                pass  # the pull below says more
            try:
                self._docker.images.pull(image)
            except (APIError, ImageNotFound) as error:
                words = error.explanation or error
                raise ImageMissing(f"image {image} is not on this engine, and can't be pulled: {words}") from error

    def run(self, spec: ContainerSpec) -> None:
        """Create and start the container, unless one of that name was started already."""
        with _engine_words():
            found = self._inspect(spec.name)
            phase = _phase(found) if found else self._create(spec)
            if phase != "created":
                return
            for folder, data in docker_options.archives(spec):
                self._docker.api.put_archive(self._prefix + spec.name, folder, data)
            self._docker.api.start(self._prefix + spec.name)

    def _create(self, spec: ContainerSpec) -> str:
        api, network = self._docker.api, self._networks[spec.network]
        mounts = [self._mount(mount.volume, mount.subpath, mount.target, mount.read_only) for mount in spec.mounts]
        mounts += docker_options.secret_volumes(spec, self._stack)
        endpoints: Any = {network: api.create_endpoint_config(aliases=[spec.name])}  # types-docker knows only one
        networking = api.create_networking_config(endpoints)
        while True:
            host = api.create_host_config(network_mode=network, mounts=mounts, **docker_options.host(spec))
            try:
                api.create_container(
                    name=self._prefix + spec.name, host_config=host, networking_config=networking,
                    **docker_options.container(spec, self._stack),
                )  # fmt: skip
                return "created"
            except APIError as error:
                missing = _MISSING_SOURCE.search(str(error.explanation))
                if missing is None:
                    raise
                # A bucket that does not exist has no folder: the job sees none either. Making one would make a bucket.
                mounts = [mount for mount in mounts if mount["Source"] != missing[1]]

    def _mount(self, volume: str, subpath: str, target: str, read_only: bool) -> Any:
        if not subpath:
            return docker.types.Mount(target, volume, type="volume", read_only=read_only)
        # Engines before 26 can't mount a folder of a volume; its place on the engine's disk works with all of them.
        root = str(self._docker.api.inspect_volume(volume)["Mountpoint"])
        docker_options.check_subpath(subpath)
        return docker.types.Mount(target, f"{root}/{subpath}", type="bind", read_only=read_only)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._docker.api.inspect_container(self._prefix + name)
            return found
        except NotFound:
            return None

    def get(self, name: str) -> Container | None:
        """The container, or None."""
        with _engine_words():
            found = self._inspect(name)
        return self._container(found) if found else None

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """The stack's containers that carry these labels."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        filters = {"label": [f"{contract.LABEL_STACK}={self._stack}", *wanted]}
        with _engine_words():
            names = [each["Names"][0].lstrip("/") for each in self._docker.api.containers(all=True, filters=filters)]
            found = [self._inspect(name.removeprefix(self._prefix)) for name in names if name.startswith(self._prefix)]
        return [self._container(each) for each in found if each]

    def _container(self, found: Mapping[str, Any]) -> Container:
        state, networks = found["State"], found["NetworkSettings"]["Networks"]
        phase = _phase(found)
        addresses = [net["IPAddress"] for name, net in networks.items() if name in self._networks.values()]
        return Container(
            name=str(found["Name"]).lstrip("/").removeprefix(self._prefix),
            phase=phase,
            labels=found["Config"]["Labels"] or {},
            exit_code=int(state["ExitCode"]) if phase == "exited" else None,
            out_of_memory=bool(state["OOMKilled"]),
            restarts=int(found.get("RestartCount", 0)),
            address=str(addresses[0]) if addresses and phase == "running" else "",
        )

    def follow_logs(self, name: str) -> Iterator[LogEntry]:
        """Every line from the first on, until the container ends."""
        with _engine_words():
            try:
                last = None
                for last in self._lines(name, follow=True):
                    yield last
                # Following loses a last line without a newline (seen with 20.10).
                yield from [entry for entry in self._lines(name, tail=1) if entry != last]
            except NotFound:
                return

    def _lines(self, name: str, **options: Any) -> Iterator[LogEntry]:
        frames = self._docker.api.logs(self._prefix + name, stream=True, timestamps=True, **options)
        return docker_options.lines(frames)

    def tail(self, name: str, lines: int) -> list[str]:
        """Its last lines."""
        with _engine_words():
            try:
                text: bytes = self._docker.api.logs(self._prefix + name, tail=lines)
            except NotFound:
                return []
        return text.decode("utf-8", "replace").splitlines()[-lines:]

    def stop(self, name: str, grace_s: int) -> None:
        """Ask it to end, and end it after the grace."""
        with _engine_words():
            try:
                self._docker.api.stop(self._prefix + name, timeout=grace_s)
            except NotFound:
                return

    def restart(self, name: str) -> None:
        """Stop it and start it again."""
        with _engine_words():
            try:
                self._docker.api.restart(self._prefix + name)
            except NotFound:
                return

    def remove(self, name: str) -> None:
        """Remove it, running or not, with its anonymous volumes."""
        with _engine_words():
            try:
                self._docker.api.remove_container(self._prefix + name, v=True, force=True)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != http.HTTPStatus.CONFLICT:  # another removal is under way
                    raise


def _phase(found: Mapping[str, Any]) -> Any:
    status = found["State"]["Status"]
    if status in ("running", "paused", "restarting"):
        return "running"
    return "created" if status == "created" else "exited"
