"""Which engine a stack's settings mean, and how the Docker engine's events are followed."""

import threading
from collections.abc import Mapping
from typing import Any

import docker
import pytest
from docker.errors import StreamParseError

from tests.support.controllers import config, eventually
from workloads import contract
from workloads.config import ClusterConfig
from workloads.controllers import engines
from workloads.controllers.engines import docker_events
from workloads.controllers.engines.docker import DockerEngine


def test_docker() -> None:
    """The engine that a stack has unless its settings say otherwise."""
    engine = engines.open(config(), lambda bucket: True)
    assert isinstance(engine, DockerEngine)
    assert not engine.supervises


def test_kubernetes_needs_its_cluster_and_an_account() -> None:
    """Settings that say nothing of the cluster are refused, and so is a place that is no pod."""
    with pytest.raises(RuntimeError, match=r"PlatformConfig\.cluster"):
        engines.open(config(engine="kubernetes"), lambda bucket: True)
    with pytest.raises(RuntimeError, match="service account"):
        engines.open(config(engine="kubernetes", cluster=ClusterConfig("none")), lambda bucket: True)


class Client:
    """An engine's events: each connection ends as the test says; after the last one it stays silent."""

    def __init__(self, connections: list[Any]) -> None:
        self.connections, self.since = connections, list[Any]()

    def events(self, since: Any, **_: Any) -> Any:
        """One connection."""
        self.since.append(since)
        if not self.connections:
            threading.Event().wait()
        connection = self.connections.pop(0)
        if isinstance(connection, Exception):
            raise connection
        return self._stream(connection)

    @staticmethod
    def _stream(events: list[Any]) -> Any:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event


def happened(time: int, **attributes: str) -> Any:
    """An event as Docker tells it."""
    return {"time": time, "Action": "die", "Actor": {"Attributes": attributes}}


def test_events_are_followed_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over every way in which a connection ends, going on where it was: each container with what happened to it."""
    monkeypatch.setattr(docker_events, "BACKOFF_S", (0.0,))
    one, two = ({contract.LABEL_RESOURCE: name} for name in ("one", "two"))
    client: Any = Client(
        [
            [happened(1, **one), happened(2)],
            docker.errors.DockerException("no engine"),
            OSError("reset"),
            [happened(3, **two), StreamParseError("cut")],
            [],
        ]
    )
    told: list[tuple[str, str]] = []

    def tell(container: Mapping[str, str], action: str) -> None:
        told.append((container.get(contract.LABEL_RESOURCE, ""), action))

    threading.Thread(target=docker_events.follow, args=(client, "s", tell), daemon=True).start()
    assert eventually(lambda: len(client.since) == 6)
    assert told == [("one", "die"), ("", "die"), ("two", "die")]
    assert client.since == [None, 2, 2, 2, 3, 3]
