"""Google's real SDKs in a process with the hook's folder on PYTHONPATH, against a stub: where do they go, as whom?"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from cairn import hook
from tests.cairn.stub import Stub, http_stub

SCRIPT = """
import json, warnings
warnings.simplefilter("ignore")
import google.auth
from google.cloud import storage
from google.cloud import aiplatform, aiplatform_v1beta1
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
client = storage.Client()
list(client.list_buckets())
aiplatform.init(project="other", location="europe-west4")
aiplatform.CustomJob.list()
options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
parent = "projects/p/locations/us-central1"
list(aiplatform.gapic.JobServiceClient(client_options=options).list_custom_jobs(parent=parent))
list(aiplatform_v1beta1.ModelServiceClient().list_models(parent=parent))
try:
    aiplatform.gapic.JobServiceAsyncClient()
    refused = ""
except RuntimeError as error:
    refused = str(error)
import requests
from google.auth.transport.requests import AuthorizedSession
from google.auth.transport.requests import Request
credentials.refresh(Request())
AuthorizedSession(credentials).post("https://us-central1-aiplatform.googleapis.com/v1/endpoints/9:rawPredict", json={})
import mlflow, os
print(json.dumps({
    "project": project, "storage_project": client.project, "refused": refused,
    "staging": aiplatform.initializer.global_config.staging_bucket,
    "mlflow_token": os.environ.get("MLFLOW_TRACKING_TOKEN"),
}))
"""


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """The server that the script is pointed at."""
    with http_stub() as running:
        yield running


@pytest.fixture(scope="module")
def told(stub: Stub) -> Any:
    """What the script has printed; it runs once for this module, since the SDK takes seconds to import."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(hook.SITE_DIR),
        "CAIRN_API_ENDPOINT": stub.url,
        "CAIRN_TOKEN": "secret-token",
        "CAIRN_STAGING_BUCKET": "staging",
        "GOOGLE_CLOUD_PROJECT": "p",
        "CLOUD_ML_REGION": "us-central1",
        "STORAGE_EMULATOR_HOST": stub.url,
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def paths(stub: Stub) -> list[str]:
    """What was asked, without the query."""
    return [f"{asked.method} {asked.path.split('?')[0]}" for asked in stub.asked]


def test_every_client_reaches_the_stack(told: Any, stub: Stub) -> None:
    """The SDK after a second init(), GAPIC clients, storage and hard-coded URLs all come to the stack."""
    assert paths(stub) == [
        "GET /storage/v1/b",
        "GET /v1/projects/other/locations/europe-west4/customJobs",
        "GET /v1/projects/p/locations/us-central1/customJobs",
        "GET /v1beta1/projects/p/locations/us-central1/models",
        "POST /v1/endpoints/9:rawPredict",
    ]


def test_every_request_carries_the_token(told: Any, stub: Stub) -> None:
    """Nobody goes anonymous, not even storage with STORAGE_EMULATOR_HOST in the environment."""
    assert {asked.authorization for asked in stub.asked} == {"Bearer secret-token"}


def test_defaults_come_from_the_environment(told: Any) -> None:
    """Project, staging bucket and MLflow's token are there without a line in the script."""
    assert told["project"] == told["storage_project"] == "p"
    assert told["staging"] == "gs://staging"
    assert told["mlflow_token"] == "secret-token"


def test_async_clients_are_refused_plainly(told: Any) -> None:
    """A gRPC-only client says what to use instead of talking to Google."""
    assert "use the synchronous client" in told["refused"]
