"""What the optimised runtime is worth: a forest of 200 trees as scikit-learn has it, and as ONNX."""

import io
from collections.abc import Callable

import httpx
import joblib
import numpy as np
from google.cloud import aiplatform
from sklearn.ensemble import RandomForestClassifier

import cairn
from tests.bench import measure
from tests.bench.peers import Peers
from tests.bench.predictions import deploy, timed

TREES, ROWS, FEATURES = 200, 2000, 8
ROUNDS = 300


def forest(generator: np.random.Generator) -> bytes:
    """A forest that has learnt which of two features is larger, as joblib's file."""
    seen = generator.normal(size=(ROWS, FEATURES))
    buffer = io.BytesIO()
    joblib.dump(RandomForestClassifier(TREES, random_state=0).fit(seen, seen[:, 0] > seen[:, 1]), buffer)
    return buffer.getvalue()


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Two endpoints with the same forest, in turn, one row and a hundred; `peers` has nothing that converts."""
    generator = np.random.default_rng(0)
    content = forest(generator)
    made = list[tuple[aiplatform.Model, aiplatform.Endpoint]]()
    try:
        for runtime in ("plain", "auto"):
            made.append(deploy(connection, content, CAIRN_RUNTIME=runtime))
        plain, auto = (f"/v1/{endpoint.resource_name}:predict" for _, endpoint in made)
        for rows in (1, 100):
            body = {"instances": generator.normal(size=(rows, FEATURES)).tolist()}
            assert _answers(http, plain, body) == _answers(http, auto, body)
            contenders: dict[str, measure.Measure] = {
                "scikit-learn": lambda body=body: timed(http, plain, body),  # type: ignore[misc]
                "ONNX, as deployed": lambda body=body: timed(http, auto, body),  # type: ignore[misc]
            }
            results = measure.alternate(contenders, ROUNDS, warm_up=20)
            say(measure.table(f"A forest of {TREES} trees through the gateway, rows asked at once: {rows}", results))
    finally:
        for model, endpoint in made:
            endpoint.delete(force=True)
            model.delete()


def _answers(http: httpx.Client, url: str, body: object) -> object:
    return http.post(url, json=body).raise_for_status().json()["predictions"]
