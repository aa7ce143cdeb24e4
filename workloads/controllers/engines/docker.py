"""The Docker engine, 20.10 and newer, through docker-py: a group is one container after the other. See open()."""

import http
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

import docker
from docker.errors import APIError, ImageNotFound, NotFound

from workloads import contract
from workloads.controllers.engines import docker_events, docker_options, docker_places, docker_state
from workloads.controllers.engines.base import Container, LogEntry, Refused, Unavailable
from workloads.controllers.engines.docker_limits import ProcessLimits
from workloads.controllers.engines.docker_maker import Maker
from workloads.controllers.engines.docker_networks import DockerNetworks
from workloads.controllers.engines.docker_places import Places
from workloads.controllers.engines.docker_words import engine_words as _engine_words
from workloads.plans.container import ContainerSpec, Group

LOG: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 4  # containers that are started together


class DockerEngine:
    """Containers of one stack on a Docker engine.

    Args:
        networks: from a contract network ("workloads") to the engine's name for it; see DockerNetworks.
        place_image: what places are made of, see docker_places.py; "" for none.
    """

    supervises = False  # it restarts what ends, but probes nothing

    def __init__(
        self, stack: str, networks: Mapping[str, str], base_url: str | None = None, place_image: str = ""
    ) -> None:
        self._stack = stack
        self._prefix = f"cairn-{stack}-"
        self._label = f"{contract.LABEL_STACK}={stack}"
        with _engine_words():
            self._docker = docker.DockerClient(base_url) if base_url else docker.from_env()
        network = networks.get(contract.NETWORK_WORKLOADS, "")
        self._places = Places(self._docker, stack, self._prefix, network, place_image)
        self._networks = DockerNetworks(self._docker, stack, networks)
        self._limits = ProcessLimits(self._docker, stack)
        self._maker = Maker(self._docker, stack, self._prefix, self._networks.name)

    def prepare(self) -> None:
        """Keep places ready."""
        self._places.prepare()

    def close(self) -> None:
        """Prepare nothing more."""
        self._places.close()

    def ensure_image(self, image: str) -> None:
        """Have the image, pulling it if need be."""
        with _engine_words():
            try:
                self._docker.images.get(image)
            except ImageNotFound:
                self._maker.pull(image)

    def run(self, group: Group) -> None:
        """Create and start the containers that were not started already, all at once."""
        specs = group.containers()
        with _engine_words(), self._networks.for_group(group.template):
            self._run_all(specs)
        if group.template.restart == "always":
            surplus = set(self._names(group.name)) - {spec.name for spec in specs}
            self._stop(surplus, group.template.stop_grace_s)
            self._remove(surplus)

    def _run_all(self, specs: Sequence[ContainerSpec]) -> None:
        if len(specs) == 1:
            self._run(specs[0])
        else:
            with ThreadPoolExecutor(min(len(specs), _AT_ONCE)) as pool:
                list(pool.map(self._run, specs))

    def _run(self, spec: ContainerSpec) -> None:
        with _engine_words():
            place = self._places.take(spec.name) if docker_places.may_join(spec) else None
            try:
                self._begin(spec, place)
            except APIError as error:
                if not place or not docker_places.is_lost(error):
                    raise
                self._remove([spec.name])
                self._begin(spec, None)
            finally:
                self._places.started(spec.name)

    def refresh(self, group: Group) -> None:
        """Over what is there: a server reads its files when it starts."""
        with _engine_words():
            for name in self._names(group.name):
                with suppress(NotFound):
                    self._put_files(name, group.template)

    def renew(self, group: Group, index: int) -> bool:
        """What is left of it is removed first."""
        spec = group.container(index)
        self._remove([spec.name])
        self._run(spec)
        return True

    def _begin(self, spec: ContainerSpec, place: str | None) -> None:
        """Asks first to create it: nearly always it is not there."""
        while not self._maker.create(spec, place):
            found = self._inspect(spec.name)
            phase = docker_state.phase(found) if found else None
            if phase == "running" or (phase == "exited" and spec.restart != "always"):
                return
            # Left by a controller that was killed before the start, or a server that was stopped by a hand.
            self._remove_one(self._prefix + spec.name)
        self._networks.join(spec)
        self._put_files(spec.name, spec)
        self._docker.api.start(self._prefix + spec.name)

    def _put_files(self, name: str, spec: ContainerSpec) -> None:
        for folder, data in docker_options.archives(spec):
            self._docker.api.put_archive(self._prefix + name, folder, data)

    def _inspect(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._docker.api.inspect_container(self._prefix + name)
            return found
        except NotFound:
            return None

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """The stack's containers that carry these labels."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        with _engine_words():
            found = [self._inspect(name) for name in self._list(label=[self._label, *wanted])]
        return [docker_state.container(each, self._prefix, self._networks.address) for each in found if each]

    def _names(self, group: str) -> list[str]:
        """The group's containers, however many it was made with: their names tell."""
        with _engine_words():
            return self._list(label=[self._label], name=f"^/?{self._prefix}{group}-[^-]+$")

    def _list(self, **filters: Any) -> list[str]:
        names = [each["Names"][0].lstrip("/") for each in self._docker.api.containers(all=True, filters=filters)]
        return [name.removeprefix(self._prefix) for name in names if name.startswith(self._prefix)]

    def cpu_seconds(self, group: str) -> dict[str, float]:
        """As the containers' control groups count it."""
        used: dict[str, float] = {}
        for name in self._names(group):
            with _engine_words(), suppress(NotFound):
                told = self._docker.api.stats(self._prefix + name, stream=False, one_shot=True)
                if total := told.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage"):
                    used[name] = total / 1e9
        return used

    def follow_logs(self, container: str) -> Iterator[LogEntry]:
        """Every line from the first on, until the container ends."""
        with _engine_words():
            try:
                last = None
                for last in self._lines(container, follow=True):
                    yield last
                # Following loses a last line without a newline (seen with 20.10).
                yield from [entry for entry in self._lines(container, tail=1) if entry != last]
            except NotFound:
                return

    def _lines(self, name: str, **options: Any) -> Iterator[LogEntry]:
        frames = self._docker.api.logs(self._prefix + name, stream=True, timestamps=True, **options)
        return docker_options.lines(frames)

    def tail(self, container: str, lines: int) -> list[str]:
        """Its last lines."""
        with _engine_words():
            try:
                text: bytes = self._docker.api.logs(self._prefix + container, tail=lines)
            except NotFound:
                return []
        return text.decode("utf-8", "replace").splitlines()[-lines:]

    def written_mib(self, container: str) -> int | None:
        """The size of its own layer, which the engine adds up; its storage driver can't limit it."""
        wanted = {"name": f"^/?{self._prefix}{container}$"}
        with _engine_words():
            found = self._docker.api.containers(size=True, filters=wanted)
        return int(found[0].get("SizeRw", 0)) // docker_options.MIB if found else None

    def stop(self, group: str, grace_s: int) -> None:
        """Ask all to end, and end them after the grace."""
        self._stop(self._names(group), grace_s)

    def _stop(self, names: Collection[str], grace_s: int) -> None:
        if names:
            with ThreadPoolExecutor(len(names)) as pool:  # together: each may take its whole grace
                list(pool.map(lambda name: self._stop_one(name, grace_s), names))

    def _stop_one(self, name: str, grace_s: int) -> None:
        with _engine_words(), suppress(NotFound):
            self._docker.api.stop(self._prefix + name, timeout=grace_s)

    def restart(self, container: str) -> None:
        """Stop it and start it again."""
        with _engine_words(), suppress(NotFound):
            self._docker.api.restart(self._prefix + container)

    def remove(self, group: str) -> None:
        """Remove all, running or not, with their anonymous volumes and the network of their own."""
        self._remove(self._names(group))
        with _engine_words():
            self._networks.remove(group)

    def tidy(self) -> None:
        """See DockerNetworks and ProcessLimits."""
        with _engine_words():
            self._networks.tidy()
            self._limits.tidy()

    def _tidy_soon(self) -> None:
        try:
            self.tidy()
        except (Refused, Unavailable) as error:
            LOG.warning("the next sweep tries again: %s", error)

    def _remove(self, names: Iterable[str]) -> None:
        with _engine_words():
            for name in names:
                self._remove_one(self._prefix + name)
                self._places.leave(name)

    def _remove_one(self, name: str) -> None:
        try:
            self._docker.api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != http.HTTPStatus.CONFLICT:
                raise
            with suppress(NotFound):  # another removal is under way
                self._docker.api.wait(name, condition="removed")

    def watch(self, on_change: Callable[[str], None]) -> None:
        """From now on call with the resource of every container that starts or ends."""

        def on_event(container: Mapping[str, str], action: str) -> None:
            if resource := container.get(contract.LABEL_RESOURCE):
                on_change(resource)
            if self._networks.concerns(container, action):
                self._tidy_soon()

        watcher = threading.Thread(
            target=docker_events.follow, args=(self._docker, self._stack, on_event), daemon=True, name="engine events"
        )
        watcher.start()
