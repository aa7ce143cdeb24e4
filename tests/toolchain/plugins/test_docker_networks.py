"""Removing a network while those on it are leaving, without an engine."""

import threading
from typing import Any

import pytest
from docker.errors import APIError, NotFound

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.docker import network
from toolchain.plugins.docker.engine import Engine
from toolchain.plugins.docker.network import Network

BUSY = "error while removing network: network n id 1 has active endpoints"
CALL = Call("urn::n", lambda _: None, lambda _: None, lambda _: None, threading.Event())


class Client:
    """An engine on which a network refuses to go so many times."""

    def __init__(self, refusals: int, words: str = BUSY) -> None:
        self.refusals, self.words, self.there = refusals, words, True

    def inspect_network(self, identifier: str) -> dict[str, Any]:
        """Without anybody on it: Docker shows those who leave no more."""
        if not self.there:
            raise NotFound("gone")
        return {"Name": "n", "Id": identifier, "Containers": {}}

    def remove_network(self, _: str) -> None:
        """At last."""
        if self.refusals:
            self.refusals -= 1
            raise APIError("409", explanation=self.words)
        self.there = False


def resource(client: Client, monkeypatch: pytest.MonkeyPatch) -> Network:
    """The network of that engine; nobody waits long."""
    monkeypatch.setattr(Engine, "client", lambda _: client)
    monkeypatch.setattr(network, "UNUSED_PAUSE_S", 0.001)
    return Network(Engine())


def test_those_who_leave_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine counts an endpoint until it has gone, though it shows it no more: the removal is tried again."""
    client = Client(refusals=3)
    resource(client, monkeypatch).delete(CALL, "1", {})
    assert not client.there


def test_a_count_that_stays_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the wait, Docker's words and what helps; other refusals are told at once."""
    monkeypatch.setattr(network, "UNUSED_WITHIN_S", 0.05)
    with pytest.raises(ProviderError, match=r"lost count: restart the engine.*active endpoints"):
        resource(Client(refusals=10**6), monkeypatch).delete(CALL, "1", {})
    client = Client(refusals=1, words="no such driver")
    with pytest.raises(ProviderError, match="no such driver"):
        resource(client, monkeypatch).delete(CALL, "1", {})
    assert client.there
