"""cairn.connect() against a stub: what it sets up in this process, and what it shows."""

import os

import pytest

import cairn
from cairn.errors import CairnError
from tests.cairn.stub import http_stub


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment that is put back as it was; connect() changes it."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr("cairn.hook.activate", lambda: True)
    return monkeypatch


def test_connect(environment: pytest.MonkeyPatch) -> None:
    """The connection has the stack's address and shows no secret."""
    with http_stub() as stub:
        wanted = {"CAIRN_API_ENDPOINT": stub.url, "CAIRN_TOKEN": "secret-token", "GOOGLE_CLOUD_PROJECT": "p"}
        for name, value in {**wanted, "CLOUD_ML_REGION": "us-central1", "CAIRN_STAGING_BUCKET": "b"}.items():
            environment.setenv(name, value)
        connection = cairn.connect()
        assert (connection.project, connection.location, connection.staging_bucket) == ("p", "us-central1", "gs://b")
        assert connection.api_endpoint == stub.url
        assert "secret-token" not in repr(connection)
        assert [asked.path for asked in stub.asked] == ["/cairn/v1/status"]


def test_connect_to_nothing(environment: pytest.MonkeyPatch) -> None:
    """A stack that does not answer is an error at connect(), not at the first job."""
    for name, value in {
        "CAIRN_API_ENDPOINT": "http://127.0.0.1:9",
        "CAIRN_TOKEN": "t",
        "GOOGLE_CLOUD_PROJECT": "p",
    }.items():
        environment.setenv(name, value)
    environment.setenv("CLOUD_ML_REGION", "us-central1")
    with pytest.raises(CairnError, match="does not answer"):
        cairn.connect()
