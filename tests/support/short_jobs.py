"""Many short jobs over the stack's API, and what became of each: for conformance and chaos.

Each run of a job that comes to its end leaves one object, named after the job and the run, and prints one line.
"""

import ssl
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, Self

import httpx

from tests.support.stack import Stack

IMAGE: Final = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
DONE: Final = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED")
PAGE: Final = 100
TLS: Final = ssl.create_default_context()  # httpx would make one for every request, and take 25 ms from who times gets


@dataclass
class ShortJobs:
    """The jobs of one test.

    Attributes:
        label: tells them from other jobs of the stack.
        seconds: how long each runs.
        acknowledged: names of those whose creation was answered, in that order.
    """

    stack: Stack
    label: str
    seconds: float = 0.0
    machine: str = "n1-standard-2"
    acknowledged: list[str] = field(default_factory=list)

    def submit(self, seconds: float | None = None) -> bool:
        """One more job; whether it was acknowledged. What was not may be there or not.

        A run that is asked to end does so before it leaves its object, or after its line: not in between.
        """
        code = (
            f"sleep {self.seconds if seconds is None else seconds}; "
            "trap '' TERM; run=$(cat /proc/sys/kernel/random/uuid); "
            f'echo done > "/gcs/{self.stack.staging_bucket}/{self.label}.$CLOUD_ML_JOB_ID.$run" && echo "$run"'
        )
        pool = {
            "machineSpec": {"machineType": self.machine},
            "replicaCount": "1",
            "containerSpec": {"imageUri": IMAGE, "command": ["sh", "-c", code]},
        }
        body = {"displayName": self.label, "jobSpec": {"workerPoolSpecs": [pool]}, "labels": {"test": self.label}}
        try:
            answer = httpx.post(
                f"{self.stack.vertex_url}/customJobs", json=body, headers=self.stack.headers, timeout=10, verify=TLS
            )
        except httpx.TransportError:
            return False
        if answer.is_success:
            self.acknowledged.append(answer.json()["name"])
        else:
            assert answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR, answer.text
        return answer.is_success

    def states(self) -> dict[str, str]:
        """Name → state, of all that are there."""
        query = {"filter": f'labels.test="{self.label}"', "pageSize": PAGE}
        rows: list[Any] = self._all(f"{self.stack.vertex_url}/customJobs", query, "customJobs", "nextPageToken")
        return {row["name"]: row["state"] for row in rows}

    def wait(self, seconds: float) -> None:
        """Until every acknowledged job has ended."""
        deadline = time.monotonic() + seconds
        while True:
            states = self.states()
            open_ = [name for name in self.acknowledged if states.get(name) not in DONE]
            if not open_:
                return
            assert time.monotonic() < deadline, (
                f"{len(open_)} jobs have not ended, as {open_[0]}: {states.get(open_[0])}"
            )
            time.sleep(min(0.5 + len(open_) / 100, 5.0))  # a list of a thousand is ten pages, which others wait for

    def lines(self, name: str) -> list[str]:
        """What a job has printed."""
        return self.stack.logs(name).split()

    def wrong(self, outages: Sequence[tuple[float, float]] = ()) -> list[str]:
        """Acknowledged jobs that did not end well, exactly once, with their one line kept once.

        Args:
            outages: when the engine was away. It keeps what containers print, so a line of then may be lost, and tells
                how they end: nobody saw a run that came to its end then, so the job is run once more.
        """
        states, ends = self.states(), self._ends()
        found = []
        for name in self.acknowledged:
            state, ended, lines = states.get(name), ends.get(name.rsplit("/", 1)[-1], []), self.lines(name)
            unseen = sum(any(began - 1 < when < over + 1 for began, over in outages) for when in ended)
            seen = len(ended) - unseen
            is_told = seen <= len(lines) <= len(ended)
            if (state, is_told) != ("JOB_STATE_SUCCEEDED", True) or seen > 1 or not 1 <= len(ended) <= 1 + unseen:
                found.append(f"{name}: {state}, {len(ended)} runs came to their end, lines {lines}")
        return found

    def _ends(self) -> dict[str, list[float]]:
        """Job id → when its runs came to their end, by the objects that they left."""
        url = f"{self.stack.api_endpoint}/storage/v1/b/{self.stack.staging_bucket}/o"
        found: dict[str, list[float]] = {}
        for each in self._all(url, {"prefix": f"{self.label}.", "maxResults": 1000}, "items", "nextPageToken"):
            found.setdefault(each["name"].split(".")[1], []).append(datetime.fromisoformat(each["updated"]).timestamp())
        return found

    def _all(self, url: str, query: dict[str, Any], items: str, token: str) -> list[Any]:
        rows: list[Any] = []
        page: str | None = ""
        while page is not None:
            answer = httpx.get(
                url, params={**query, "pageToken": page}, headers=self.stack.headers, timeout=30, verify=TLS
            )
            found = answer.raise_for_status().json()
            rows += found.get(items, [])
            page = found.get(token) or None
        return rows


class Watch:
    """Meanwhile: how long a `get` takes, and the cores and memory that are reserved at each look.

    Attributes:
        gets: seconds of each get.
        used: (cores, MiB) at each look.
    """

    def __init__(self, jobs: ShortJobs, pause_s: float = 0.1) -> None:
        self._jobs, self._pause_s = jobs, pause_s
        self.gets: list[float] = []
        self.used: list[tuple[float, float]] = []
        self.capacity: tuple[float, float] = (0.0, 0.0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stack = self._jobs.stack
        with httpx.Client(headers=stack.headers, timeout=30) as client:
            while not self._stop.wait(self._pause_s):
                began = time.perf_counter()
                client.get(f"{stack.api_endpoint}/v1/{self._jobs.acknowledged[0]}").raise_for_status()
                self.gets.append(time.perf_counter() - began)
                if len(self.gets) % 10 == 0:
                    self._look(client)

    def _look(self, client: httpx.Client) -> None:
        capacity = client.get(f"{self._jobs.stack.api_endpoint}/cairn/v1/status").raise_for_status().json()["capacity"]
        self.used.append((capacity["cpu"]["used"], capacity["memory_mib"]["used"]))
        self.capacity = (capacity["cpu"]["total"], capacity["memory_mib"]["total"])

    @property
    def oversubscribed(self) -> list[tuple[float, float]]:
        """The looks at which more was reserved than there is."""
        cpu, memory = self.capacity
        return [used for used in self.used if used[0] > cpu + 1e-6 or used[1] > memory]

    @property
    def p99(self) -> float:
        """Seconds of a get."""
        return statistics.quantiles(self.gets, n=100)[-1]


def out_of_order(stack: Stack, names: Sequence[str]) -> list[str]:
    """Which of these jobs, given in the order in which they were acknowledged, got capacity before an earlier one."""
    claimed = {row["name"]: row["start"]["claimed"] for row in stack.get("usage")["jobs"] if row["name"] in set(names)}
    accepted = {row["name"]: row["start"]["accepted"] for row in stack.get("usage")["jobs"]}
    ordered = sorted(names, key=lambda name: (accepted[name], name))
    return [later for first, later in pairwise(ordered) if claimed[later] < claimed[first]]
