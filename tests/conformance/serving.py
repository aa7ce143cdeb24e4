"""Models that say which one they are, and endpoints of them, for the suite's tests."""

import io
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import httpx
import joblib
import numpy as np
from google.cloud import aiplatform, storage
from sklearn.dummy import DummyRegressor

from tests.conformance.asking import Client
from tests.support.stack import Stack

IMAGE: Final = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
MACHINE: Final = "n1-standard-2"
BODY: Final = {"instances": [[0, 0]]}
Versions = tuple[aiplatform.Model, aiplatform.Model]


def constant_model(bucket: storage.Bucket, value: float) -> str:
    """The gs:// folder of a model that always predicts `value`: it tells which version answered."""
    bucket.blob(f"models/{value}/model.joblib").upload_from_string(constant_bytes(value))
    return f"gs://{bucket.name}/models/{value}"


def constant_bytes(value: float) -> bytes:
    """A model.joblib that always predicts `value`."""
    buffer = io.BytesIO()
    joblib.dump(DummyRegressor(strategy="constant", constant=value).fit(np.zeros((2, 2)), [0.0, 1.0]), buffer)
    return buffer.getvalue()


def upload(bucket: storage.Bucket, value: float, **more: Any) -> aiplatform.Model:
    """A version of the model "constant" that predicts `value`."""
    model: aiplatform.Model = aiplatform.Model.upload(
        display_name="constant",
        artifact_uri=constant_model(bucket, value),
        serving_container_image_uri=IMAGE,
        labels={"team": "blue"},
        **more,
    )
    return model


def two_versions(stack: Stack) -> Versions:
    """Two versions of one model: the first answers 1.0, the second (the default) 2.0."""
    bucket = storage.Client().bucket(stack.staging_bucket)
    first = upload(bucket, 1.0, model_id="constant", version_aliases=["stable"])
    named = {"is_default_version": True, "version_aliases": ["candidate"]}
    return first, upload(bucket, 2.0, parent_model=first.resource_name, **named)


def deploy(endpoint: aiplatform.Endpoint, model: aiplatform.Model, name: str, traffic: int, **more: Any) -> None:
    """The version behind the endpoint."""
    wanted = {"machine_type": MACHINE, "traffic_percentage": traffic, **more}
    endpoint.deploy(model, deployed_model_display_name=name, **wanted)


def ids(endpoint: aiplatform.Endpoint) -> dict[str, str]:
    """The deployed models' ids by display name."""
    return {str(model.display_name): str(model.id) for model in endpoint.list_models()}


def predict_url(stack: Stack, endpoint: aiplatform.Endpoint) -> str:
    """Where the gateway takes predictions."""
    return f"{stack.api_endpoint}/v1/{endpoint.resource_name}:predict"


def answers(stack: Stack, endpoint: aiplatform.Endpoint, count: int) -> Counter[str]:
    """How many of so many predictions each version answered; each must be that version's own."""
    seen: Counter[str] = Counter()
    with httpx.Client(headers=stack.headers, timeout=30) as client:
        for _ in range(count):
            body = client.post(predict_url(stack, endpoint), json=BODY).raise_for_status().json()
            assert body["predictions"] == [float(body["modelVersionId"])]
            seen[body["modelVersionId"]] += 1
    return seen


@dataclass
class Load(Client):
    """Predictions asked for without a pause in a thread, each on a connection of its own; what came of them."""

    stack: Stack
    endpoint: aiplatform.Endpoint
    end_s: ClassVar[float] = 60.0

    def wait_for_more(self, count: int = 20, seconds: float = 60) -> None:
        """Until so many more predictions were answered well.

        Raises:
            TimeoutError: they were not.
        """
        wanted, deadline = self.good + count, time.monotonic() + seconds
        while self.good < wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {count} predictions in {seconds} s: {self.bad[-3:]}")
            time.sleep(0.05)

    def _run(self) -> None:
        url = predict_url(self.stack, self.endpoint)
        each_its_own = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(headers=self.stack.headers, limits=each_its_own, timeout=10) as client:
            while not self._over.is_set():
                self._ask(client, url)

    def _ask(self, client: httpx.Client, url: str) -> None:
        try:
            answer = client.post(url, json=BODY)
        except httpx.HTTPError as problem:
            self._failed(repr(problem))
            return
        if answer.status_code == httpx.codes.OK:
            self.good += 1
        else:
            self._failed(f"{answer.status_code}: {answer.text[:200]}")

    def _failed(self, why: str) -> None:
        self.bad.append(why)
        self._over.wait(0.1)
