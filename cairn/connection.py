"""`cairn.connect()`: points this process at a stack, in place of aiplatform.init(...) and its like for each library."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cairn import hook
from cairn.client import Client
from cairn.stack import Stack, find
from workloads import contract


@dataclass(frozen=True)
class Connection:
    """A stack that this process is connected to. Its repr holds no secret."""

    stack: Stack
    _client: Client = field(repr=False)

    @property
    def project(self) -> str:
        """The Vertex project that the stack serves."""
        return self.stack.project

    @property
    def location(self) -> str:
        """The Vertex location that the stack serves."""
        return self.stack.location

    @property
    def api_endpoint(self) -> str:
        """http://host:port of the Vertex AI and Cloud Storage APIs."""
        return self.stack.api_endpoint

    @property
    def staging_bucket(self) -> str:
        """gs:// URI of the bucket that the SDK stages into."""
        return f"gs://{self.stack.staging_bucket}"

    @property
    def tracking_uri(self) -> str:
        """Address of MLflow."""
        return self.stack.tracking_uri

    def status(self) -> dict[str, Any]:
        """Services, capacity and the queue with each job's position and reason for waiting."""
        return self._client.status()

    def usage(self) -> list[dict[str, Any]]:
        """Per job: name, state, cpu_seconds, memory_gib_seconds, gpu_seconds, price, currency."""
        return self._client.usage()

    def logs(self, job: str, follow: bool = False) -> Iterator[str]:
        """The lines that a job has printed; with `follow` as they come, until it ends.

        Args:
            job: its id, resource name or display name.
        """
        name = self._client.find_job(job)["name"]
        return (str(line["text"]) for line in self._client.logs(name, follow))


def connect(stack: str | None = None) -> Connection:
    """Make google-cloud-aiplatform, google-cloud-storage, google-auth and mlflow in this process use a stack.

    Libraries that are imported later are set up as well. A later aiplatform.init(project=…) keeps the connection.

    Args:
        stack: a stack's name; without it the environment's (see `cairn env`), else "local".

    Raises:
        CairnError: no such stack, it is not up, or it does not answer; the message says what to do.
    """
    found = find(stack)
    client = Client(found)
    client.status()
    if stack is not None:
        os.environ.pop(contract.ENV_TOKEN_FILE, None)  # another stack's; it would win over the variable
    os.environ.update(found.environment())
    hook.activate()
    return Connection(found, client)
