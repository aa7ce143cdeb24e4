"""Online prediction: a model inlined in one uvicorn, in our model server asked directly, and through the gateway."""

import base64
import io
import json
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import httpx
import joblib
import numpy as np
from google.cloud import aiplatform, storage
from sklearn.linear_model import LogisticRegression

import cairn
from tests.bench import measure, open_loop
from tests.bench.peers import MACHINE, Peers

SERVING = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
BODY = {"instances": [[0.1, 0.2, 0.3, 0.4]]}
ROUNDS = 2000
GATEWAY = "through the gateway"
INLINED = Path(__file__).with_name("inlined.py").read_text(encoding="utf-8")
RATES = (100, 500, 1000)  # requests/s
SECONDS, TURNS = 5, 7  # of each contender at each rate


def trained() -> bytes:
    """A tiny model, as joblib's file: what is measured is what is around it."""
    buffer = io.BytesIO()
    joblib.dump(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]), buffer)
    return buffer.getvalue()


def deploy(
    connection: cairn.Connection, model: bytes, **environment: str
) -> tuple[aiplatform.Model, aiplatform.Endpoint]:
    """The model, served, with these variables for its servers."""
    folder = f"{connection.staging_bucket}/bench"
    blob = storage.Blob.from_uri(f"{folder}/model.joblib", client=storage.Client())
    blob.upload_from_string(model)
    uploaded = aiplatform.Model.upload(
        display_name="bench",
        artifact_uri=folder,
        serving_container_image_uri=SERVING,
        serving_container_environment_variables=environment,
        sync=True,
    )
    return uploaded, uploaded.deploy(machine_type=MACHINE)


def timed(http: httpx.Client, url: str, body: object = BODY) -> float:
    """Seconds of one prediction."""
    started = time.perf_counter()
    http.post(url, json=body).raise_for_status()
    return time.perf_counter() - started


def rates(targets: Mapping[str, open_loop.Target]) -> str:
    """At fixed rates and at most: what each contender takes, in turn, and what it adds to the first.

    Quantiles are of each turn, and the median turn is told: one hiccup of the machine falls into one contender's turn,
    and would be the p99 of all its turns together.
    """
    lines = [
        "### Online prediction at a rate",
        "",
        "| requests/s | | p50 ms | p99 ms | p50 added | p99 added |",
        "|---|---|---|---|---|---|",
    ]
    for rate in RATES:
        at_rate = {name: partial(open_loop.at_rate, target, rate, SECONDS) for name, target in targets.items()}
        turns = measure.alternate(at_rate, TURNS, warm_up=0)
        found = {name: [_typical(each, quantile) for quantile in (0.50, 0.99)] for name, each in turns.items()}
        first = next(iter(found.values()))
        for name, own in found.items():
            figures = [*own, *(mine - reference for mine, reference in zip(own, first, strict=True))]
            lines.append(f"| {rate} | {name} | {' | '.join(f'{1e3 * each:.2f}' for each in figures)} |")
    at_most = {name: partial(open_loop.at_most, target, SECONDS) for name, target in targets.items()}
    most = measure.alternate(at_most, TURNS, warm_up=0)
    medians = {name: statistics.median(values) for name, values in most.items()}
    reference = next(iter(medians.values()))
    lines += ["", "| at most, 16 connections | requests/s | ratio |", "|---|---|---|"]
    lines += [f"| {name} | {median:.0f} | {median / reference:.2f} |" for name, median in medians.items()]
    return "\n".join(lines)


def _typical(turns: list[list[float]], quantile: float) -> float:
    """The median turn's quantile, in seconds."""
    return statistics.median(sorted(each)[min(int(quantile * len(each)), len(each) - 1)] for each in turns)


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """All three, in turn."""
    content = trained()
    model, endpoint = deploy(connection, content)
    inlined = ("python3", "-c", INLINED, base64.b64encode(content).decode())
    try:
        deployed = endpoint.list_models()[0].id
        path = f"/v1/endpoints/{endpoint.name}/deployedModels/{deployed}:predict"
        with (
            httpx.Client(trust_env=False) as plain,  # no proxy knows these addresses
            peers.serving(endpoint.resource_name, inlined) as references,
            peers.serving(endpoint.resource_name) as own,
        ):
            bare = {f"inlined in one uvicorn{way}": address + path for way, address in references.items()}
            bare |= {f"{peers.server}{way}": address + path for way, address in own.items()}
            ours = f"/v1/{endpoint.resource_name}:predict"
            contenders: dict[str, measure.Measure] = {
                name: lambda url=url: timed(plain, url)  # type: ignore[misc]
                for name, url in bare.items()
            }
            contenders[GATEWAY] = lambda: timed(http, ours)
            say(measure.table("Online prediction, one client", measure.alternate(contenders, ROUNDS, warm_up=50)))
            body, token = json.dumps(BODY).encode(), f"Authorization: Bearer {connection.stack.token}"
            targets = {name: open_loop.Target(url, body) for name, url in bare.items()}
            targets[GATEWAY] = open_loop.Target(connection.api_endpoint + ours, body, (token,))
            say(rates(targets))
    finally:
        endpoint.delete(force=True)
        model.delete()
