"""Predictions on connections that are kept, from several threads, while everything about their endpoint changes."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Final, Self
from urllib.parse import urlsplit

from google.cloud import aiplatform

from tests.conformance.jobs import eventually
from tests.conformance.serving import BODY, Versions, deploy, ids
from tests.support.stack import Stack

ALLOWED: Final = 0.005  # half a point of the traffic split


@dataclass
class Traffic:
    """Asked without a pause while this is entered; which version answered how often, and what failed."""

    stack: Stack
    endpoint: aiplatform.Endpoint
    clients: int = 4
    answers: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Begin."""
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def more(self, count: int, seconds: float = 600) -> Counter[str]:
        """Wait for so many more answers; how many of them each version gave.

        Raises:
            TimeoutError: there were not so many in time.
        """
        before, deadline = self._snapshot(), time.monotonic() + seconds
        while (now := self._snapshot()).total() < before.total() + count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {count} answers in {seconds} s; failed: {self.failed[-3:]}")
            time.sleep(0.01)
        now.subtract(before)
        return now

    def _snapshot(self) -> Counter[str]:
        with self._lock:
            return self.answers.copy()

    def _ask(self) -> None:
        address = urlsplit(self.stack.api_endpoint).netloc
        connection = HTTPConnection(address, timeout=30)
        path, body = f"/v1/{self.endpoint.resource_name}:predict", json.dumps(BODY).encode()
        headers = {"Content-Type": "application/json", **self.stack.headers}
        while not self._over.is_set():
            try:
                connection.request("POST", path, body, headers)
                response = connection.getresponse()
                self._note(response.status, response.read())
            except (OSError, HTTPException) as problem:
                connection.close()
                self.failed.append(repr(problem))
        connection.close()

    def _note(self, status: int, content: bytes) -> None:
        answer = json.loads(content) if content else {}
        version = str(answer.get("modelVersionId"))
        if answer.get("predictions") != [float(version) if version.isdigit() else None]:
            self.failed.append(f"{status}: {content[:200]!r}")
            return
        with self._lock:
            self.answers[version] += 1


def upheaval(traffic: Traffic, versions: Versions, requests: int, kill: Callable[[list[str]], str]) -> dict[str, float]:
    """One round on an endpoint that serves two replicas of the first version ("one").

    The second version is deployed beside it, its share changes, a replica is killed and comes back, the second goes.

    Args:
        requests: how many answers each split is measured over.
        kill: chooses which of these containers dies.

    Returns:
        By how much each split was missed, 0 to 1.
    """
    stack, endpoint, missed = traffic.stack, traffic.endpoint, dict[str, float]()
    site, before = stack.site, stack.site.serving(stack.name, endpoint.resource_name)
    first = stack.site.containers(stack.name, endpoint.resource_name)
    deploy(endpoint, versions[1], "two", 10)
    missed["after a deployment"] = miss(traffic.more(requests), 0.10)
    one, two = ids(endpoint)["one"], ids(endpoint)["two"]
    endpoint.update(traffic_split={one: 65, two: 35})
    missed["after an update"] = miss(traffic.more(requests), 0.35)
    site.kill_container(stack.name, kill(first))
    missed["while a replica dies"] = miss(traffic.more(requests), 0.35)
    assert eventually(lambda: site.serving(stack.name, endpoint.resource_name) == before + 1, 90), "it comes back"
    endpoint.undeploy(deployed_model_id=two, traffic_split={one: 100})
    missed["after an undeployment"] = miss(traffic.more(requests), 0.0)
    return missed


def miss(answers: Counter[str], share: float) -> float:
    """By how much the second version's share of the answers differs from this one."""
    return abs(answers["2"] / answers.total() - share)
