"""Hostile requests to the API: whatever comes, the answer is one of Google's errors or a success, never a 500."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings

from tests.support import fuzz
from tests.support.good_messages import DEDICATED, JOB, SEEDS
from tests.support.mlflow import FakeMlflow
from tests.workloads.api.conftest import KEY, PARENT, VERIFY, token
from workloads.api.app import create_app
from workloads.api.handlers import Context
from workloads.api.vertex import methods
from workloads.config import PlatformConfig
from workloads.registry import MlflowClient, Registry
from workloads.store import AlreadyExists

# The same ones each time, so that a failure is the change's; `make chaos` draws new ones.
FUZZ = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def hostile(config: PlatformConfig, shared_context: Context) -> Iterator[httpx.Client]:
    """The admin's client of an app with a registry behind it: nothing is refused for want of a right."""
    store = shared_context.store
    registry = Registry(
        MlflowClient("http://tracking:5000", lambda: "token", FakeMlflow().transport), store, PARENT, "gs://s"
    )
    app = create_app(Context(config, store, registry), KEY, VERIFY)
    running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token()}"}, trust_env=False) as client:
        yield client
    running.should_exit = True
    thread.join()


@pytest.fixture
def filled(hostile: httpx.Client, shared_context: Context) -> httpx.Client:
    """The same, with one of each resource under the names that the requests use."""
    deployed = {"id": "7", "model": f"{PARENT}/models/m", "dedicatedResources": DEDICATED}
    for name, message in {
        "endpoints/1": {"displayName": "e", "deployedModels": [deployed], "trafficSplit": {"7": 100}},
        "customJobs/1": {**JOB, "state": "JOB_STATE_QUEUED"},
        "trainingPipelines/1": {"displayName": "p", "state": "PIPELINE_STATE_QUEUED"},
        "batchPredictionJobs/1": {"displayName": "b", "state": "JOB_STATE_QUEUED"},
        "operations/1": {"done": True, "response": {}},
    }.items():
        with suppress(AlreadyExists):
            shared_context.store.create(f"{PARENT}/{name}", message)
    uploaded = hostile.post(f"/v1/{PARENT}/models:upload", json=SEEDS["ModelService.UploadModel"])
    assert uploaded.status_code in (200, 409), uploaded.text
    return hostile


def send(client: httpx.Client, wish: fuzz.Wish) -> httpx.Response:
    """The request as it is: httpx would tidy its path."""
    url = httpx.URL(client.base_url).copy_with(raw_path=wish.target.encode("ascii"))
    return client.request(wish.verb, url, content=wish.body, timeout=20)


@pytest.mark.parametrize("binding", fuzz.bindings(), ids=lambda b: f"{b.method.version}-{b.method.key}-{b.verb}")
def test_every_method(filled: httpx.Client, binding: methods.Binding) -> None:
    """Twelve hostile messages for each served method: every refusal is in Google's model and says something."""
    may_be = (501, 503) if "Predict" in binding.method.name else (501,)  # 503: nothing is routed here

    @FUZZ
    @given(wish=fuzz.wishes_for(binding, PARENT))
    def one(wish: fuzz.Wish) -> None:
        answer = send(filled, wish)
        assert answer.status_code < 500 or answer.status_code in may_be, (wish, answer.text)
        if answer.is_error:
            error = answer.json()["error"]
            assert error["code"] == answer.status_code
            assert len(error["message"]) > 10
        assert filled.get("/healthz").is_success

    one()
