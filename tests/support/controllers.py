"""Doubles for what surrounds the controllers: an engine in memory, a registry, a gateway. The store is always real."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from workloads import contract
from workloads.config import AcceleratorType, Capacity, MachineType, PlatformConfig
from workloads.controllers.assembly import Assembly
from workloads.controllers.engines.base import Container, ContainerEngine, ImageMissing, LogEntry, Unavailable
from workloads.controllers.platform import Platform
from workloads.plans.container import ContainerSpec
from workloads.registry import NotFound
from workloads.store import Json, Store

PARENT = "projects/p/locations/l"
KEY = "k" * 32
TRAINING = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"


def config(**changes: Any) -> PlatformConfig:
    """A small stack's settings."""
    good: dict[str, Any] = {
        "stack": "test",
        "project": "p",
        "location": "l",
        "staging_bucket": "staging",
        "machine_types": {
            "n1-standard-2": MachineType(0.5, 256, 0.1),
            "n1-standard-4": MachineType(1, 512, 0.2),
            "n1-standard-8": MachineType(2, 1024, 0.4),
        },
        "accelerators": {"NVIDIA_TESLA_T4": AcceleratorType(2, 0.35)},
        "images": {"training/sklearn-cpu": "local/training", "prediction/sklearn-cpu": "local/serving", "batch": "b"},
        "networks": {"workloads": "net"},
        "capacity": Capacity(2, 2048),
        "object_store_volume": "objects",
    }
    return PlatformConfig(**{**good, **changes})


def pool(machine: str = "n1-standard-2", replicas: int = 1, **container: Any) -> Json:
    """A worker pool's message."""
    return {
        "machineSpec": {"machineType": machine},
        "replicaCount": str(replicas),
        "containerSpec": {"imageUri": TRAINING, "command": ["run"], **container},
    }


def job(*pools: Json, **spec: Any) -> Json:
    """A queued custom job's message."""
    return {
        "displayName": "a job",
        "jobSpec": {"workerPoolSpecs": list(pools) or [pool()], **spec},
        "state": "JOB_STATE_QUEUED",
    }


@dataclass
class FakeContainer:
    """A container of the fake engine, which ends when the test says so."""

    spec: ContainerSpec
    state: Container
    lines: list[LogEntry] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


class FakeEngine:
    """An engine in memory. `starts` counts how often each container was started: never more than once."""

    def __init__(self) -> None:
        self.containers: dict[str, FakeContainer] = {}
        self.starts: dict[str, int] = {}
        self.missing_images: set[str] = set()
        self.on_call: Callable[[str], None] = lambda call: None
        self.autorun: Callable[[ContainerSpec], int | None] = lambda spec: None
        self.is_away = False
        self._lock = threading.RLock()
        self._ticks = itertools.count()

    def _called(self, call: str) -> None:
        self.on_call(call)
        if self.is_away:
            raise Unavailable("the engine is away")

    def ensure_image(self, image: str) -> None:
        """Present unless the test says otherwise."""
        self._called("ensure_image")
        if image in self.missing_images:
            raise ImageMissing(f"image {image} can't be pulled: no such image")

    def run(self, spec: ContainerSpec) -> None:
        """Created, then started: a test may stop the world between the two."""
        self._called("run")
        with self._lock:
            if spec.name not in self.containers:
                labels = {**spec.labels, contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS}
                self.containers[spec.name] = FakeContainer(spec, Container(spec.name, "created", labels))
        self._called("run created")
        with self._lock:
            found = self.containers[spec.name]
            if found.state.phase != "created":
                return
            self.starts[spec.name] = self.starts.get(spec.name, 0) + 1
            found.state = replace(found.state, phase="running", address="127.0.0.1")
        code = self.autorun(spec)
        if code is not None:
            self.say(spec.name, f"{spec.name} says hello")
            self.end(spec.name, code)
        self._called("run started")

    def say(self, name: str, *lines: str) -> None:
        """Let a container print."""
        times = (datetime.fromtimestamp(time.time() + next(self._ticks) * 1e-6, UTC) for _ in lines)
        self.containers[name].lines += zip(times, lines, strict=False)

    def end(self, name: str, code: int, *, out_of_memory: bool = False) -> None:
        """Let a container end by itself."""
        with self._lock:
            found = self.containers[name]
            if found.state.phase == "running":
                found.state = replace(
                    found.state, phase="exited", exit_code=code, out_of_memory=out_of_memory, address=""
                )
            found.ended.set()

    def get(self, name: str) -> Container | None:
        """The container, or None."""
        self._called("get")
        found = self.containers.get(name)
        return found.state if found else None

    def find(self, labels: Mapping[str, str]) -> list[Container]:
        """Those with these labels."""
        self._called("find")
        with self._lock:
            states = [each.state for each in self.containers.values()]
        return [s for s in states if all(k in s.labels and v in ("", s.labels[k]) for k, v in labels.items())]

    def follow_logs(self, name: str) -> Iterator[LogEntry]:
        """From the first line until the end."""
        self._called("follow_logs")
        found, position = self.containers.get(name), 0
        while found:
            ended = found.ended.is_set()
            while position < len(found.lines):
                yield found.lines[position]
                position += 1
            if ended:
                return
            found.ended.wait(0.02)

    def tail(self, name: str, lines: int) -> list[str]:
        """The last lines."""
        self._called("tail")
        found = self.containers.get(name)
        return [text for _, text in found.lines[-lines:]] if found else []

    def stop(self, name: str, grace_s: int) -> None:
        """Ends with SIGTERM's code."""
        self._called("stop")
        if name in self.containers:
            self.end(name, 143)

    def restart(self, name: str) -> None:
        """Counted as a restart."""
        self._called("restart")
        found = self.containers[name]
        found.state = replace(found.state, restarts=found.state.restarts + 1)

    def remove(self, name: str) -> None:
        """Gone."""
        self._called("remove")
        with self._lock:
            found = self.containers.pop(name, None)
        if found:
            found.ended.set()


class FakeModels:
    """A registry in memory."""

    def __init__(self) -> None:
        self.models: dict[str, Json] = {}
        self.uploads: dict[str, Json] = {}

    def add(self, model_id: str, **fields: Any) -> str:
        """A model with version 1; returns its name."""
        name = f"{PARENT}/models/{model_id}"
        container = {"imageUri": SERVING, **fields.pop("containerSpec", {})}
        uri = f"gs://models/{model_id}"
        basics = {"name": name, "versionId": "1", "displayName": model_id, "artifactUri": uri}
        self.models[name] = {**basics, "containerSpec": container, **fields}
        return name

    def get(self, name: str) -> Json:
        """Of any version."""
        if name.split("@", maxsplit=1)[0] not in self.models:
            raise NotFound(f"{name} does not exist")
        return self.models[name.split("@", maxsplit=1)[0]]

    def upload(self, model: Json, *, model_id: str, parent_model: str, key: str) -> Json:
        """Once per key."""
        if key not in self.uploads:
            self.uploads[key] = {
                **model,
                "name": f"{PARENT}/models/{model_id or len(self.uploads) + 1}",
                "versionId": "1",
            }
        return self.uploads[key]


class FakeGateway:
    """A gateway's agent in memory."""

    def __init__(self) -> None:
        self.table: Any = {"endpoints": []}
        self.puts = 0

    def routes(self) -> Any:
        """The table."""
        return self.table

    def put_routes(self, table: Any) -> None:
        """Replaced."""
        self.table, self.puts = table, self.puts + 1


@dataclass
class World:
    """A stack's controllers and what surrounds them."""

    store: Store
    engine: Any
    models: FakeModels
    gateway: FakeGateway
    platform: Platform

    def job(self, message: Json, number: int = 1, collection: str = "customJobs") -> str:
        """A row for a job; returns its name."""
        name = f"{PARENT}/{collection}/{number}"
        self.store.create(name, message)
        return name

    def until(self, name: str, *states: str, seconds: float = 20) -> Any:
        """The row once it is in one of the states."""
        deadline = time.monotonic() + seconds
        while True:
            row = self.store.get(name)
            if row.state in states:
                return row
            assert time.monotonic() < deadline, f"{row.state}, not {states}: {row.message} {row.status}"
            time.sleep(0.02)

    @contextmanager
    def running(self, sweep_s: float = 0.5) -> Iterator[Assembly]:
        """The controllers, leading until the end of the block."""
        assembly, stop = Assembly(self.platform, sweep_s), threading.Event()

        def lead() -> None:
            with self.store.leader(0.05) as leadership:
                assembly.loop.run(leadership, stop)

        thread = threading.Thread(target=lead, daemon=True)
        thread.start()
        try:
            yield assembly
        finally:
            stop.set()
            thread.join(30)
            assembly.close()
        assert not thread.is_alive()


def world(store: Store, engine: ContainerEngine, **changes: Any) -> World:
    """A world around a store and an engine."""
    models, gateway = FakeModels(), FakeGateway()
    return World(store, engine, models, gateway, Platform(config(**changes), store, engine, models, gateway, KEY))


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether the condition holds within the time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
