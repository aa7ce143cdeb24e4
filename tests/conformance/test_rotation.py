"""The signing key is rotated while everything is in use: nothing fails, and what is two keys old is refused."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.conformance import serving
from tests.conformance.doors import Client, unharmed
from tests.conformance.jobs import eventually
from tests.support.backends.base import Site
from tests.support.pulumi_cli import pulumi
from tests.support.stack import Stack, running_stack
from workloads import contract

REFUSED_WITHIN_S: Final = 15.0  # services look at once, the gateway every second
BROUGHT_WITHIN_S: Final = 180.0  # a kubelet brings a changed Secret within a minute or two
VERIFIERS: Final = (
    contract.API_HOST,
    contract.GATEWAY_HOST,
    contract.TRACKING_HOST,
    contract.OBJECT_STORE_HOST,
    contract.CONTROLLERS_HOST,
)
JOB: Final = """
import boto3, itertools, pathlib, time
from google.cloud import storage
for turn in itertools.count():
    assert storage.Client().bucket("{bucket}").blob("word").download_as_bytes() == b"word"
    assert boto3.client("s3").get_object(Bucket="{bucket}", Key="word")["Body"].read() == b"word"
    print("turn", turn)
    if pathlib.Path("/gcs/{bucket}/end").exists(): break
    time.sleep(0.3)
"""


@pytest.fixture
def own(site: Site, tmp_path: Path) -> Iterator[Stack]:
    """A stack beside the suite's, whose other tests keep their tokens."""
    with running_stack(site, tmp_path) as running:
        yield running


def served(client: Client) -> str:
    """The name of an endpoint that predicts."""
    stack = client.stack
    client.upload("model/model.joblib", serving.constant_bytes(1.0))
    model = {
        "displayName": "constant",
        "artifactUri": f"gs://{stack.staging_bucket}/model",
        "containerSpec": {"imageUri": serving.IMAGE},
    }
    uploaded = client.done(client.ask("POST", f"{stack.vertex_url}/models:upload", json={"model": model}))
    made = client.done(client.ask("POST", f"{stack.vertex_url}/endpoints", json={"displayName": "served meanwhile"}))
    machine = {"machineSpec": {"machineType": serving.MACHINE}, "minReplicaCount": 1}
    wish = {"deployedModel": {"model": uploaded["model"], "dedicatedResources": machine}, "trafficSplit": {"0": 100}}
    client.done(client.ask("POST", f"{stack.api_endpoint}/v1/{made['name']}:deployModel", json=wish))
    return str(made["name"])


def submitted(client: Client) -> str:
    """The name of a running job that reads its bucket again and again, over both protocols."""
    stack = client.stack
    client.upload("word", b"word")
    command = ["python3", "-u", "-c", JOB.format(bucket=stack.staging_bucket)]
    container = {"imageUri": "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest", "command": command}
    pool = {"machineSpec": {"machineType": serving.MACHINE}, "replicaCount": 1, "containerSpec": container}
    wish = {"displayName": "reads meanwhile", "jobSpec": {"workerPoolSpecs": [pool]}}
    name = str(client.ask("POST", f"{stack.vertex_url}/customJobs", json=wish)["name"])
    client.until(name, lambda found: found["state"] == "JOB_STATE_RUNNING")
    return name


def rings(stack: Stack) -> set[str]:
    """The rings of keys that services have: a single one, or README's "two minutes" have not passed."""
    read = ("cat", f"{contract.SECRETS_DIR}/{contract.SECRET_SIGNING_KEY}")
    return {stack.site.execute(stack.name, service, *read) for service in VERIFIERS}


def rotated(stack: Stack, generation: int, folder: Path) -> tuple[dict[str, int], str]:
    """What `up` changed for this generation of the key, and the admin's new token, once every service has the key."""
    before = rings(stack)
    changes = stack.changes("up", config=stack.config_with(folder, keyGeneration=generation))
    outputs = json.loads(
        pulumi(stack.environment, "stack", "output", "--json", "--show-secrets", "--stack", stack.name)
    )
    assert eventually(lambda: len(found := rings(stack)) == 1 and found != before, BROUGHT_WITHIN_S)
    return changes, str(outputs["token"])


def test_a_rotation_loses_no_request_and_the_second_revokes(
    own: Stack, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """While the key is rotated, no request of a client and no job fails; after the next rotation its token is a 401.

    A model server that was deployed with a token of the first key starts again after that all the same.
    """
    first = Client(own, own.token)
    endpoint, job = served(first), submitted(first)
    (changes, token), asked = unharmed(first.doors(endpoint), lambda: rotated(own, 2, tmp_path))
    assert "replace" not in changes, "a service was made anew"
    assert token != own.token
    second = Client(own, token)
    assert {name: door() for name, door in second.doors(endpoint).items()} == dict.fromkeys(asked, httpx.codes.OK)
    first.upload("end", b"")
    first.until(job, lambda found: found["state"] == "JOB_STATE_SUCCEEDED")

    (changes, token), again = unharmed(second.doors(endpoint), lambda: rotated(own, 3, tmp_path))
    record_property("rotation", f"{changes}, answers {asked}, {again}")
    deadline = time.monotonic() + REFUSED_WITHIN_S
    while set(found := {name: door() for name, door in first.doors(endpoint).items()}.values()) != {401}:
        assert time.monotonic() < deadline, found
        time.sleep(1)
    for good in (second, Client(own, token)):
        assert {name: door() for name, door in good.doors(endpoint).items()} == dict.fromkeys(asked, httpx.codes.OK)
    (server,) = own.site.containers(own.name, endpoint)
    own.site.kill_container(own.name, server)
    assert eventually(lambda: second.doors(endpoint)["predictions"]() == httpx.codes.OK, BROUGHT_WITHIN_S)
