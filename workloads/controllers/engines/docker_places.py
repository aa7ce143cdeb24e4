"""Places: a few containers that only sleep, each with its network, kept ready for jobs to start in.

Half of what the engine needs to start a container goes into its network namespace. A job of one replica joins a place's
instead, as containers of a pod do on Kubernetes. A place serves one job and is removed with it. All that is known of
places is in the engine (their names, and the job's that has one): a controller that is killed leaves none behind.
"""

import http
import logging
import secrets
import threading
import time
from typing import Any, Final

import docker
from docker.errors import APIError, NotFound

from workloads import contract
from workloads.plans.container import ContainerSpec

LOG: Final = logging.getLogger(__name__)
KIND: Final = "place"
READY: Final = 2  # each takes about 12 MB of the machine's memory, most of it its shim's
QUIET_S: Final = 0.5  # none is made while jobs are starting: it would slow them down
LOOK_S: Final = 0.1
MEMORY: Final = 16 * 1024 * 1024
LIMITS: Final[dict[str, Any]] = {
    "mem_limit": MEMORY, "memswap_limit": MEMORY, "nano_cpus": 100_000_000, "pids_limit": 4, "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"], "read_only": True,
}  # fmt: skip


def may_join(spec: ContainerSpec) -> bool:
    """Whether the container can do with a place's network and host name."""
    return spec.alone and spec.network == contract.NETWORK_WORKLOADS and not spec.egress


def is_lost(error: APIError) -> bool:
    """Whether a container could not be started because its place has ended."""
    return any(words in str(error.explanation) for words in ("cannot join network", "No such container"))


class Places:
    """The places of a stack on one network.

    Args:
        prefix: of the stack's containers; a place is "<prefix>place-<random>", and "<prefix>place-of-<container>" once
            it is taken.
        image: any that has `sleep`; "" for no places.
    """

    def __init__(self, client: docker.DockerClient, stack: str, prefix: str, network: str, image: str) -> None:
        self._api, self._stack, self._network, self._image = client.api, stack, network, image
        self._containers, self._prefix = prefix, f"{prefix}place-"
        self._starting: set[str] = set()  # containers that may have taken a place and not be there yet
        self._free: list[str] = []
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._last = 0.0
        self._keeper: threading.Thread | None = None

    def take(self, container: str) -> str | None:
        """The name of a place that is the container's from now on; None where none is ready. `started` must follow."""
        with self._lock:
            self._last = time.monotonic()
            self._starting.add(container)
        while free := self._pop():
            try:
                self._api.rename(free, self._of(container))
            except APIError as error:
                LOG.info("%s is no place for %s: %s", free, container, error.explanation)
            else:
                return self._of(container)
        return None

    def started(self, container: str) -> None:
        """The container is there, or will not be."""
        with self._lock:
            self._last = time.monotonic()
            self._starting.discard(container)
        self._wanted.set()

    def leave(self, container: str) -> None:
        """Remove the container's place, if it has one."""
        self._remove(self._of(container))

    def prepare(self) -> None:
        """Have as many ready as there should be, and none that nobody uses; soon, in a thread."""
        if self._image and self._keeper is None:
            self._keeper = threading.Thread(target=self._keep, daemon=True, name="places")
            self._keeper.start()
        self._wanted.set()

    def close(self) -> None:
        """Make no more."""
        self._closed.set()
        self._wanted.set()
        if self._keeper:
            self._keeper.join()

    def _keep(self) -> None:
        while self._wanted.wait() and not self._closed.is_set():
            self._wanted.clear()
            while time.monotonic() - self._last < QUIET_S:
                time.sleep(LOOK_S)
            try:
                self._tidy()
            except Exception as trouble:  # noqa: BLE001  whatever it is, jobs start without a place meanwhile
                LOG.warning("no places are made now: %s", trouble)

    def _tidy(self) -> None:
        there, living = self._look()
        taken = {name for name in living if name.startswith(self._of(""))}
        for name in (there - living) | (taken - self._used()):
            self._remove(name)
        with self._lock:
            self._free = sorted(living - taken)
            is_short = len(self._free) < READY and not self._starting
        if is_short:
            self._make()
            self._wanted.set()  # one at a time: a job may want to start in between

    def _used(self) -> set[str]:
        """The places of containers that are starting or there, asked in this order: none falls between."""
        with self._lock:
            starting = set(self._starting)
        there = {
            name.removeprefix(self._containers) for each in self._list(contract.LABEL_RESOURCE) for name in _names(each)
        }
        return {self._of(container) for container in starting | there}

    def _make(self) -> None:
        name = f"{self._prefix}{secrets.token_hex(4)}"
        labels = {
            contract.LABEL_STACK: self._stack,
            contract.LABEL_KIND: KIND,
            contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS,
        }
        self._api.create_container(
            self._image, ["infinity"], entrypoint=["sleep"], name=name, hostname=name.removeprefix(self._containers),
            user=contract.RUN_AS, labels=labels,
            host_config=self._api.create_host_config(network_mode=self._network, **LIMITS),
        )  # fmt: skip
        self._api.start(name)

    def _look(self) -> tuple[set[str], set[str]]:
        """All places, and those that run."""
        found = self._list(f"{contract.LABEL_KIND}={KIND}")
        names = {name: each["State"] for each in found for name in _names(each)}
        return set(names), {name for name, state in names.items() if state == "running"}

    def _list(self, label: str) -> list[dict[str, Any]]:
        labels = [f"{contract.LABEL_STACK}={self._stack}", label]
        found: list[dict[str, Any]] = self._api.containers(all=True, filters={"label": labels})
        return found

    def _pop(self) -> str | None:
        with self._lock:
            return self._free.pop() if self._free else None

    def _of(self, container: str) -> str:
        return f"{self._prefix}of-{container}"

    def _remove(self, name: str) -> None:
        try:
            self._api.remove_container(name, v=True, force=True)
        except NotFound:
            return
        except APIError as error:
            if error.status_code != http.HTTPStatus.CONFLICT:  # another removal is under way
                raise


def _names(found: dict[str, Any]) -> list[str]:
    return [each.lstrip("/") for each in found["Names"]]
