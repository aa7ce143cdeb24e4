"""One real stack on the Docker engine, shared by this folder's tests, and Google's clients connected to it."""

import os
from collections.abc import Iterator

import mlflow
import pytest
from google.cloud import storage

import cairn
from tests.support.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack of its own, up for the whole session."""
    with running_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def vertex(stack: Stack) -> Iterator[cairn.Connection]:
    """This process connected to the stack as a user's would be: from the environment that `cairn env` prints."""
    wanted = {
        "CAIRN_API_ENDPOINT": stack.api_endpoint,
        "CAIRN_TOKEN": stack.token,
        "CAIRN_STAGING_BUCKET": stack.staging_bucket,
        "GOOGLE_CLOUD_PROJECT": stack.project,
        "CLOUD_ML_REGION": stack.location,
        "MLFLOW_TRACKING_URI": stack.tracking_uri,
        "MLFLOW_TRACKING_TOKEN": stack.token,
    }
    with pytest.MonkeyPatch.context() as patch:
        for key, value in wanted.items():
            patch.setenv(key, value)
        mlflow.set_tracking_uri(stack.tracking_uri)
        yield cairn.connect()


@pytest.fixture(scope="session")
def storage_client(vertex: cairn.Connection) -> storage.Client:
    """Google's storage client on the stack."""
    return storage.Client()


@pytest.fixture(scope="module")
def bucket(stack: Stack, storage_client: storage.Client) -> Iterator[storage.Bucket]:
    """A bucket of the test module's own."""
    made = storage_client.create_bucket(f"{stack.name}-{os.urandom(4).hex()}")
    yield made
    made.delete(force=True)
