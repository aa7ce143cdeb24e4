"""HTTP to a stack: its own paths (status, usage, logs) and Vertex's, for the CLI and Connection.

Google's SDK takes seconds to import; this takes none, and a status must not wait for it.
"""

import json
import time
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx

from cairn.errors import CairnError
from cairn.stack import Stack
from workloads import contract

TIMEOUT_S: Final = 30.0
RETRY_S: Final = 1.0  # between two tries of a broken log stream
FINAL_STATES: Final = ("_SUCCEEDED", "_FAILED", "_CANCELLED", "_EXPIRED")  # of JOB_STATE_… and PIPELINE_STATE_…
JOB_COLLECTIONS: Final = ("customJobs", "batchPredictionJobs")
PIPELINES: Final = "trainingPipelines"  # a pipeline's logs are those of the custom job behind it


class Client:
    """One stack's HTTP surface."""

    def __init__(self, stack: Stack, transport: httpx.BaseTransport | None = None) -> None:
        self._stack = stack
        self._http = httpx.Client(
            base_url=stack.api_endpoint,
            headers={"Authorization": f"Bearer {stack.token}"},
            timeout=TIMEOUT_S,
            trust_env=False,  # a company's proxy can't reach a stack on this machine
            transport=transport,
        )

    def status(self) -> dict[str, Any]:
        """Services, capacity and the queue."""
        status: dict[str, Any] = self._get(f"{contract.PATH_EXTENSION}/status")
        return status

    def usage(self) -> list[dict[str, Any]]:
        """What each job has used, and its price."""
        jobs: list[dict[str, Any]] = self._get(f"{contract.PATH_EXTENSION}/usage")["jobs"]
        return jobs

    def audit(self, count: int, **wanted: str) -> list[dict[str, Any]]:
        """The newest entries of the audit log; `principal` and `resource` (a prefix) choose."""
        entries: list[dict[str, Any]] = []
        token = ""
        while len(entries) < count:
            page = self._get(
                f"{contract.PATH_EXTENSION}/audit", pageSize=count - len(entries), pageToken=token, **wanted
            )
            entries += page["entries"]
            token = page.get("nextPageToken", "")
            if not token:
                break
        return entries

    def resources(self, collection: str) -> list[dict[str, Any]]:
        """All messages of a collection, e.g. "customJobs"; newest first, as the server lists them."""
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._get(f"{self._parent}/{collection}", pageSize=100, pageToken=token)
            items += page.get(collection, [])
            token = page.get("nextPageToken", "")
            if not token:
                return items

    def jobs(self) -> list[dict[str, Any]]:
        """Custom and batch prediction jobs, newest first."""
        return self._newest_first(*JOB_COLLECTIONS)

    def _newest_first(self, *collections: str) -> list[dict[str, Any]]:
        found = [job for collection in collections for job in self.resources(collection)]
        return sorted(found, key=lambda job: str(job.get("createTime", "")), reverse=True)

    def find_job(self, wanted: str) -> dict[str, Any]:
        """The newest job, or training pipeline, with this id, resource name or display name.

        Raises:
            CairnError: there is none; the message lists the newest ones.
        """
        jobs = self._newest_first(*JOB_COLLECTIONS, PIPELINES)
        for job in jobs:
            if wanted in (job["name"], job["name"].rsplit("/", 1)[-1], job.get("displayName")):
                return job
        newest = ", ".join(f"{job.get('displayName')} ({job['name'].rsplit('/', 1)[-1]})" for job in jobs[:5])
        raise CairnError(f"no job {wanted!r}; the newest are: {newest or 'none'}")

    def logs(self, resource: str, follow: bool = False) -> Iterator[dict[str, Any]]:
        """The job's log lines ({seq, time, replica, text}); with `follow` until the job has ended."""
        since = 0
        while True:
            for line in self._log_lines(resource, follow, since):
                since = max(since, int(line["seq"]))
                yield line
            if not follow or self.is_final(resource):
                yield from self._log_lines(resource, False, since)
                return
            time.sleep(RETRY_S)

    def is_final(self, resource: str) -> bool:
        """Whether the job has ended."""
        return str(self._get(f"/v1/{resource}").get("state", "")).endswith(FINAL_STATES)

    @property
    def _parent(self) -> str:
        return f"/v1/projects/{self._stack.project}/locations/{self._stack.location}"

    def _log_lines(self, resource: str, follow: bool, since: int) -> Iterator[dict[str, Any]]:
        """One answer's lines; a stream that breaks off ends quietly, the caller asks for the rest."""
        query = {"alt": "json", "since": str(since), **({"follow": "1"} if follow else {})}
        path = f"{contract.PATH_EXTENSION}/logs/{quote(resource)}"
        try:
            with self._http.stream("GET", path, params=query, timeout=httpx.Timeout(TIMEOUT_S, read=None)) as response:
                if response.is_error:
                    response.read()
                    raise _refused(response)
                yield from (json.loads(line) for line in response.iter_lines() if line)
        except httpx.RemoteProtocolError:
            return
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _get(self, path: str, **query: Any) -> Any:
        try:
            response = self._http.get(path, params={key: value for key, value in query.items() if value != ""})
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _refused(response)
        return response.json()

    def _unreachable(self, error: httpx.TransportError) -> CairnError:
        return CairnError(
            f"the stack does not answer at {self._stack.api_endpoint} ({error}): is the container engine running "
            "(`docker info`), and the stack up (`make up`)?"
        )


def _refused(response: httpx.Response) -> CairnError:
    """The server's own words, in Google's error model where it keeps to it."""
    try:
        text = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        text = response.text[:500]
    hint = "; take a fresh token from `cairn env`" if response.status_code == httpx.codes.UNAUTHORIZED else ""
    return CairnError(f"{response.request.url.path}: {response.status_code} {text}{hint}")
