"""What deployed models have to do: CPU time as the engine counts it, requests as the gateway does. For autoscaler.py.

Where the engine does not tell CPU time, the requests that a replica answers at once stand for it: one on each of its
cores, or one on less than a core, is 100 percent.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from workloads.controllers.platform import Json, Platform
from workloads.plans import autoscaling, machines, serving
from workloads.plans.autoscaling import Load
from workloads.plans.serving import DeployedModel

FRESH_S: Final = 0.2  # one question to the gateway serves all endpoints of a turn
MINUTE_S: Final = 60.0


@dataclass(frozen=True)
class Sample:
    """Counters of one deployed model at one time (seconds since 1970), and of what number of replicas."""

    time: float
    replicas: int
    requests: int = 0
    busy_s: float = 0.0
    in_flight: int = 0
    last_request: float = 0.0
    cpu: Mapping[str, float] = field(default_factory=dict)


class Loads:
    """Looks at counters, and tells what they have grown by."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._lock = threading.Lock()
        self._samples: dict[tuple[str, str], Sample] = {}
        self._measured: tuple[float, Json] = (-math.inf, {})

    def look(self, model: DeployedModel, scaled: float) -> Load | None:
        """The load since the last look; None if that was less than an interval ago and a server runs.

        Args:
            scaled: when the number of replicas has last changed.
        """
        key, now = (model.endpoint, model.id), self._platform.now().timestamp()
        before = self._samples.get(key)
        if before and before.replicas != model.replicas:
            before = None
        if before and model.replicas and now - before.time < self._platform.config.autoscaling.interval_s:
            return None
        after = self._sample(model, now)
        if before and model.replicas and after.time <= before.time:
            return None  # the same counters once more: they can't have grown
        self._samples[key] = after
        found = self._found(model, before, after) if before else {}
        return Load(found, after.in_flight, now - max(after.last_request, scaled), now - scaled)

    def _sample(self, model: DeployedModel, now: float) -> Sample:
        time, measures = self._measures(now)
        told = (each for each in measures["models"] if (each["endpoint"], each["id"]) == (model.endpoint, model.id))
        cpu = self._platform.engine.cpu_seconds(serving.group_name(model)) if model.replicas else {}
        mine: Json = next(told, {})
        return Sample(
            time,
            model.replicas,
            int(mine.get("requests", 0)),
            float(mine.get("busyMs", 0)) / 1000,
            int(mine.get("inFlight", 0)),
            max(float(mine.get("lastRequest", 0)), float(measures["since"])),
            cpu,
        )

    def _measures(self, now: float) -> tuple[float, Json]:
        """The gateway's counters, and when it was asked for them."""
        with self._lock:
            if not 0 <= now - self._measured[0] < FRESH_S:
                self._measured = now, self._platform.gateway.measures()
            return self._measured

    def _found(self, model: DeployedModel, before: Sample, after: Sample) -> dict[str, float]:
        seconds, found = after.time - before.time, dict[str, float]()
        if not model.replicas or after.requests < before.requests:  # the agent has begun to count anew
            return found
        found[autoscaling.REQUESTS] = (after.requests - before.requests) / seconds * MINUTE_S / model.replicas
        cores = machines.resources(model.machine, self._platform.config).cpu
        if used := [after.cpu[name] - before.cpu[name] for name in after.cpu if name in before.cpu]:
            share = sum(max(each, 0.0) for each in used) / (seconds * cores * len(used))
        else:
            at_once = max((after.busy_s - before.busy_s) / seconds, min(before.in_flight, after.in_flight))
            share = at_once / (model.replicas * max(cores, 1.0))
        found[autoscaling.CPU] = share * autoscaling.PERCENT
        return found
