"""The drill of backup and restore: a stack is saved while it is used, and another one made of what was saved."""

import base64
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import mlflow
from google.cloud import aiplatform, storage

from cairn.backup import load, save
from cairn.backup.save import Description
from tests.conformance import jobs, serving
from tests.support.inventory import Inventory, inventory, missing
from tests.support.stack import Stack

PASSPHRASE = "only for this drill"
PAUSE_S = 0.05
ANSWERS_S = 120.0


def populate(stack: Stack, versions: serving.Versions, objects: int) -> aiplatform.Endpoint:
    """Something of everything: a served model, a job that has ended, a secret, a run of MLflow, objects of 1 MiB."""
    endpoint = aiplatform.Endpoint.create(display_name="saved")
    serving.deploy(endpoint, versions[0], "first", 100)
    _plant_secret(stack)
    jobs.run(jobs.submit("saved", jobs.python("print('kept words')")))
    with mlflow.start_run(run_name="saved"):
        mlflow.log_param("depth", 3)
        mlflow.log_metric("loss", 0.25)
        mlflow.log_text("an artifact", "note.txt")
    bucket = storage.Client().create_bucket(f"{stack.name}-saved")
    for number in range(objects):
        blob = bucket.blob(f"a folder/é{number}.bin")
        blob.metadata = {"Owner": "ada"}
        blob.upload_from_string(bytes(range(256)) * 4096, content_type="application/x-own")
    return endpoint


def _plant_secret(stack: Stack) -> None:
    """With two values, of which the first is disabled."""
    url = f"{stack.api_endpoint}/v1/projects/{stack.project}/secrets"
    with httpx.Client(headers=stack.headers, timeout=30) as http:
        http.post(url, params={"secretId": "saved"}, json={"replication": {"automatic": {}}}).raise_for_status()
        for value in (b"an old value", b"the value"):
            payload = {"payload": {"data": base64.b64encode(value).decode()}}
            http.post(f"{url}/saved:addVersion", json=payload).raise_for_status()
        http.post(f"{url}/saved/versions/1:disable", json={}).raise_for_status()


def wait_answers(stack: Stack, endpoint: aiplatform.Endpoint) -> float:
    """The seconds until the model that was deployed there answers as itself."""
    start = time.monotonic()
    while True:
        try:
            assert serving.answers(stack, endpoint, 5) == {"1": 5}
        except (httpx.HTTPError, AssertionError):
            assert time.monotonic() - start < ANSWERS_S, "the deployed model does not answer"
            time.sleep(0.5)
        else:
            return time.monotonic() - start


@dataclass(frozen=True)
class Saved:
    """A backup, and what was in the stack the moment before it was begun."""

    file: Path
    before: Inventory
    seconds: float


@dataclass
class Writer:
    """Somebody who uses the stack all the while; what was answered is counted."""

    stack: Stack
    name: str = field(default_factory=lambda: secrets.token_hex(4))  # what another one wrote stays as it is
    written: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def tidy(self) -> None:
        """Take the endpoints away again; the objects go with the stack."""
        with httpx.Client(headers=self.stack.headers, timeout=30) as http:
            wanted: dict[str, str | int] = {"filter": 'labels.made="meanwhile"', "pageSize": 1000}
            listed = http.get(f"{self.stack.vertex_url}/endpoints", params=wanted).raise_for_status().json()
            for each in listed.get("endpoints", []):
                http.delete(f"{self.stack.api_endpoint}/v1/{each['name']}").raise_for_status()

    def run(self) -> None:
        """Objects and endpoints, without an end."""
        bucket = f"{self.stack.api_endpoint}/upload/storage/v1/b/{self.stack.staging_bucket}/o"
        with httpx.Client(headers=self.stack.headers, timeout=30) as http:
            while not self.over.wait(PAUSE_S):
                name = f"meanwhile/{self.name}/{self.written}"
                content = name.encode() * 1000
                http.post(bucket, params={"uploadType": "media", "name": name}, content=content).raise_for_status()
                endpoint = {"displayName": name, "labels": {"made": "meanwhile"}}
                http.post(f"{self.stack.vertex_url}/endpoints", json=endpoint).raise_for_status()
                self.written += 1


@contextmanager
def in_use(stack: Stack) -> Iterator[Writer]:
    """The stack while somebody writes to it."""
    writer = Writer(stack)
    thread = threading.Thread(target=writer.run, daemon=True)
    thread.start()
    try:
        yield writer
    finally:
        writer.over.set()
        thread.join(60)
        writer.tidy()


def saved(stack: Stack, file: Path, report: Callable[[str], None]) -> Saved:
    """Save a stack that is in use."""
    with in_use(stack) as writer:
        before = inventory(stack)
        start, written = time.monotonic(), writer.written
        save.save(file, PASSPHRASE, _description(stack), stack.site.place(stack.name), (), report)
        seconds = time.monotonic() - start
    assert writer.written > written, "nothing was written while the backup was made"
    return Saved(file, before, seconds)


def restored(backup: Saved, stack: Stack, report: Callable[[str], None]) -> float:
    """Restore into an empty stack; the seconds until it was healthy again. Fails if anything of before is missing."""
    start = time.monotonic()
    load.load(backup.file, PASSPHRASE, _description(stack), stack.site.place(stack.name), report)
    stack.wait_healthy(180)
    seconds = time.monotonic() - start
    lost = missing(backup.before, inventory(stack))
    assert lost == [], "\n".join(lost)
    return seconds


def _description(stack: Stack) -> Description:
    return Description.of(stack.name, stack.project, stack.location, stack.staging_bucket)
