"""`make bench`: every benchmark on a stack that is up: `python -m tests.bench --stack kubernetes --only jobs`."""

import argparse

import httpx

import cairn
from tests.bench import batch, jobs, peers, predictions, provisioning, request_logs
from workloads import contract

ALL = {
    "jobs": jobs.run,
    "predictions": predictions.run,
    "batch": batch.run,
    "logging": request_logs.run,
    "provisioning": provisioning.run,
}


def main() -> None:
    """Run the one that the command line names, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--stack", default="local")
    parser.add_argument("--only", choices=[*ALL])
    options = parser.parse_args()
    connection = cairn.connect(options.stack)
    headers = {"Authorization": f"Bearer {connection.stack.token}"}
    with httpx.Client(base_url=connection.api_endpoint, headers=headers, timeout=60) as http:
        http.get(f"{contract.PATH_EXTENSION}/status").raise_for_status()
        beside = peers.of(connection)
        for run in [ALL[options.only]] if options.only else ALL.values():
            run(connection, http, beside, print)


if __name__ == "__main__":
    main()
