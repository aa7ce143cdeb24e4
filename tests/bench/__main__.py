"""`make bench`: every benchmark, on a stack that is up: `python -m tests.bench --stack kubernetes --only jobs`.

`--only provisioning` needs none.
"""

import argparse

import httpx

import cairn
from tests.bench import batch, jobs, peers, predictions, provisioning, request_logs, runtimes
from workloads import contract

ON_A_STACK = {
    "jobs": jobs.run,
    "predictions": predictions.run,
    "runtimes": runtimes.run,
    "batch": batch.run,
    "logging": request_logs.run,
}
PROVISIONING = "provisioning"


def main() -> None:
    """Run the one that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--stack", default="local")
    parser.add_argument("--only", choices=[*ON_A_STACK, PROVISIONING])
    options = parser.parse_args()
    chosen = [name for name in ON_A_STACK if options.only in (name, None)]
    if chosen:
        _on_a_stack(options.stack, chosen)
    if options.only in (PROVISIONING, None):
        provisioning.run(print)


def _on_a_stack(stack: str, chosen: list[str]) -> None:
    connection = cairn.connect(stack)
    headers = {"Authorization": f"Bearer {connection.stack.token}"}
    with httpx.Client(base_url=connection.api_endpoint, headers=headers, timeout=60) as http:
        http.get(f"{contract.PATH_EXTENSION}/status").raise_for_status()
        beside = peers.of(connection)
        for name in chosen:
            ON_A_STACK[name](connection, http, beside, print)


if __name__ == "__main__":
    main()
