"""`make bench`: every benchmark on the stack that `cairn.connect()` finds; by default the local one, to be up."""

import sys

import docker
import httpx

import cairn
from tests.bench import jobs, predictions
from workloads import contract


def training_image(stack: str) -> str:
    """The local image behind Vertex's prebuilt training name: the newest that the engine has."""
    images = docker.from_env().images.list(name="cairn/training")
    if not images:
        raise SystemExit(f"no cairn/training image on the engine: is stack {stack!r} up?")
    return str(images[0].id)


def main() -> None:
    """Run those that the command line names, or all."""
    chosen = sys.argv[1:] or ["jobs", "predictions"]
    connection = cairn.connect()
    headers = {"Authorization": f"Bearer {connection.stack.token}"}
    with httpx.Client(base_url=connection.api_endpoint, headers=headers, timeout=60) as http:
        http.get(f"{contract.PATH_EXTENSION}/status").raise_for_status()
        image = training_image(connection.stack.name)
        for name in chosen:
            {"jobs": jobs.run, "predictions": predictions.run}[name](connection, http, image, print)


if __name__ == "__main__":
    main()
