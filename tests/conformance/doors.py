"""Every door of the platform, asked over plain HTTP by somebody with a token, also while the stack is changed."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import httpx

from tests.conformance import serving
from tests.conformance.asking import Asking
from tests.support.stack import Stack

T = TypeVar("T")


class Client:
    """Somebody with a token, over plain HTTP."""

    def __init__(self, stack: Stack, token: str) -> None:
        self.stack = stack
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30)

    def ask(self, verb: str, url: str, **more: Any) -> Any:
        """The answer's JSON."""
        return self._http.request(verb, url, **more).raise_for_status().json()

    def upload(self, name: str, content: bytes) -> None:
        """An object of the staging bucket."""
        url = f"{self.stack.api_endpoint}/upload/storage/v1/b/{self.stack.staging_bucket}/o"
        self.ask("POST", url, params={"uploadType": "media", "name": name}, content=content)

    def done(self, operation: Any, seconds: float = 90) -> Any:
        """The operation's response, once it is done."""
        return self.until(operation["name"], lambda found: bool(found.get("done")), seconds)["response"]

    def until(self, name: str, good: Callable[[Any], bool], seconds: float = 90) -> Any:
        """A resource, once it is as wanted."""
        deadline = time.monotonic() + seconds
        while not good(found := self.ask("GET", f"{self.stack.api_endpoint}/v1/{name}")):
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        return found

    def doors(self, endpoint: str) -> dict[str, Callable[[], int]]:
        """A question at every door of the platform, as the status of its answer."""
        stack, predict = self.stack, f"{self.stack.api_endpoint}/v1/{endpoint}:predict"
        gets = {
            "vertex": f"{stack.vertex_url}/customJobs",
            "storage": f"{stack.api_endpoint}/storage/v1/b",
            "tracking": f"{stack.tracking_uri}/api/2.0/mlflow/experiments/get?experiment_id=0",
            "models": f"{stack.vertex_url}/models",
        }
        found = {name: partial(self._status, "GET", url) for name, url in gets.items()}
        return {**found, "predictions": partial(self._status, "POST", predict, json=serving.BODY)}

    def _status(self, verb: str, url: str, **more: Any) -> int:
        return self._http.request(verb, url, **more).status_code


def ok(door: Callable[[], int]) -> Callable[[int], None]:
    """The question, which has to be answered with 200."""

    def ask(_: int) -> None:
        status = door()
        assert status == httpx.codes.OK, status

    return ask


def unharmed(doors: Mapping[str, Callable[[], int]], work: Callable[[], T]) -> tuple[T, dict[str, int]]:
    """What `work` gave while somebody asked at each door all the time; every answer was a good one."""
    asking = {name: Asking(ok(door)) for name, door in doors.items()}
    for each in asking.values():
        each.__enter__()
    try:
        result = work()
        time.sleep(3)
    finally:
        for each in asking.values():
            each.__exit__()
    assert {name: each.bad for name, each in asking.items() if each.bad} == {}
    return result, {name: each.good for name, each in asking.items()}
