"""Doubles for what surrounds the controllers: a registry, a gateway; fake_engine.py has one more. The store is real."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from workloads.config import AcceleratorType, Capacity, MachineType, PlatformConfig
from workloads.controllers.assembly import Assembly
from workloads.controllers.engines.base import Engine
from workloads.controllers.platform import Platform
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
        self.measured: Any = {"since": 0.0, "boundsMs": [], "models": []}
        self.puts = 0

    def routes(self) -> Any:
        """The table."""
        return self.table

    def put_routes(self, table: Any) -> None:
        """Replaced."""
        self.table, self.puts = table, self.puts + 1

    def wakes(self, after: int) -> Any:
        """One endpoint is waited for."""
        return {"number": after + 1, "endpoints": [f"{PARENT}/endpoints/9"]}

    def measures(self) -> Any:
        """As a test has set them."""
        return self.measured


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


def world(store: Store, engine: Engine, **changes: Any) -> World:
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
