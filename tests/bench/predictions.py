"""Online prediction: what the platform adds to its own model server, and that server beside the model inlined."""

import io
import time
from collections.abc import Callable

import httpx
import joblib
import numpy as np
from google.cloud import aiplatform, storage
from sklearn.linear_model import LogisticRegression

import cairn
from tests.bench import measure
from tests.bench.peers import MACHINE, Peers

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
BODY = {"instances": [[0.1, 0.2, 0.3, 0.4]]}
ROUNDS = 2000


def deploy(connection: cairn.Connection) -> tuple[aiplatform.Model, aiplatform.Endpoint]:
    """A tiny model, served."""
    model, buffer = LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), io.BytesIO()
    joblib.dump(model, buffer)
    folder = f"{connection.staging_bucket}/bench"
    blob = storage.Blob.from_uri(f"{folder}/model.joblib", client=storage.Client())
    blob.upload_from_string(buffer.getvalue())
    uploaded = aiplatform.Model.upload(
        display_name="bench", artifact_uri=folder, serving_container_image_uri=SERVING, sync=True
    )
    return uploaded, uploaded.deploy(machine_type=MACHINE)


def timed(http: httpx.Client, url: str) -> float:
    """Seconds of one prediction."""
    started = time.perf_counter()
    http.post(url, json=BODY).raise_for_status()
    return time.perf_counter() - started


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Direct and through the gateway, in turn."""
    model, endpoint = deploy(connection)
    try:
        deployed = endpoint.list_models()[0].id
        path = f"/v1/endpoints/{endpoint.name}/deployedModels/{deployed}:predict"
        with httpx.Client() as plain, peers.serving(endpoint.resource_name) as address:
            contenders: dict[str, measure.Measure] = {
                peers.server: lambda: timed(plain, address + path),
                "through the gateway": lambda: timed(http, f"/v1/{endpoint.resource_name}:predict"),
            }
            results = measure.alternate(contenders, ROUNDS, warm_up=50)
        say(measure.table("Online prediction, one client", results))
    finally:
        endpoint.delete(force=True)
        model.delete()
