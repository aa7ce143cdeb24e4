"""The connection's settings, without an engine."""

import json
import threading

import pytest

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.docker.engine import Engine, is_ours, marked_as_ours, registry_of, without_mark

LOGINS = [{"address": "registry.example.com", "username": "u", "password": "p"}]


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("debian", "docker.io"),
        ("debian:12", "docker.io"),
        ("user/app:1", "docker.io"),
        ("https://registry-1.docker.io", "docker.io"),
        ("registry.example.com", "registry.example.com"),
        ("https://registry.example.com/v2/", "registry.example.com"),
        ("registry.example.com/app@sha256:0", "registry.example.com"),
        ("localhost/app", "localhost"),
        ("127.0.0.1:5000/app", "127.0.0.1:5000"),
        ("builder:5000/app", "builder:5000"),
    ],
)
def test_whose_registry(reference: str, registry: str) -> None:
    """An image's name and a login's address lead to the same registry, a user's name to Docker's."""
    assert registry_of(reference) == registry


def test_logins_go_to_their_registry_only() -> None:
    """Nested settings come as JSON, and a password is sent to nobody but the registry it is for."""
    engine = Engine()
    engine.configure({"registryAuth": json.dumps(LOGINS)})
    assert engine.registry_auth("registry.example.com/app") == {"username": "u", "password": "p"}
    assert engine.registry_auth("registry.example.com.evil.org/app") is None
    assert engine.registry_auth("debian") is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"caMaterial": "x"}, "are needed together"),
        ({"registryAuth": [{"address": "a", "configFile": "f"}]}, "takes username and password"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, object], reason: str) -> None:
    """They are refused when the provider is configured."""
    with pytest.raises(ProviderError, match=reason):
        Engine().configure(settings)


def test_whose_object_it_is() -> None:
    """The mark tells one resource from another and never shows among the program's labels."""
    mine, other = (Call(urn, print, print, print, threading.Event()) for urn in ("urn:a", "urn:b"))
    labels = marked_as_ours({"l": "v"}, mine)
    assert is_ours(labels, mine)
    assert not is_ours(labels, other)
    assert not is_ours(None, mine)
    assert without_mark(labels) == {"l": "v"}
