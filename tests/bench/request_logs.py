"""What the log of requests and responses adds to a prediction's latency: every one logged, beside none."""

import json
from collections.abc import Callable

import httpx
from google.cloud import aiplatform

import cairn
from tests.bench import measure, open_loop
from tests.bench.peers import MACHINE, Peers
from tests.bench.predictions import BODY, deploy, rates, timed, trained

ROUNDS = 2000


def run(connection: cairn.Connection, http: httpx.Client, peers: Peers, say: Callable[[str], None]) -> None:
    """Two endpoints with the same model, in turn; `peers` has nothing that logs."""
    model, plain = deploy(connection, trained())
    logged = aiplatform.Endpoint.create(
        display_name="logged", enable_request_response_logging=True, request_response_logging_sampling_rate=1.0
    )
    try:
        logged.deploy(model, machine_type=MACHINE, traffic_percentage=100)
        paths = {f"log {word}": f"/v1/{each.resource_name}:predict" for word, each in (("off", plain), ("on", logged))}
        contenders: dict[str, measure.Measure] = {
            name: lambda path=path: timed(http, path)  # type: ignore[misc]
            for name, path in paths.items()
        }
        say(measure.table("Logged predictions, one client", measure.alternate(contenders, ROUNDS, warm_up=50)))
        token, body = f"Authorization: Bearer {connection.stack.token}", json.dumps(BODY).encode()
        targets = {
            name: open_loop.Target(connection.api_endpoint + path, body, (token,)) for name, path in paths.items()
        }
        say(rates(targets))
    finally:
        logged.delete(force=True)
        plain.delete(force=True)
        model.delete()
