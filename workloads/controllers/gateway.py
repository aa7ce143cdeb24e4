"""The gateway's agent over HTTP, and the chore that keeps its table equal to the endpoints' rows."""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from workloads import tokens
from workloads.config import PlatformConfig
from workloads.controllers.endpoint_rows import deployed, rule
from workloads.controllers.platform import Gateway, Json, Platform, own_token
from workloads.plans import request_logs, routes, shadows
from workloads.plans.rollouts import WAITING
from workloads.plans.serving import DeployedModel, addresses
from workloads.store import NotFound, Resource

LOG: Final = logging.getLogger(__name__)
PAUSE_S: Final = 2.0
TIMEOUT_S: Final = 15.0
WAKES_S: Final = 40.0  # the agent answers after 25 s when there is no news


class GatewayError(Exception):
    """The gateway did not do it; the text has its own words. Tried again with the next sweep."""


class HttpGateway:
    """The agent, with a token signed for each call."""

    def __init__(self, config: PlatformConfig, keys: tokens.Keys) -> None:
        self._config, self._keys = config, keys

    def routes(self) -> Any:
        """The table that it has."""
        return json.loads(self._call("GET", "/routes", None))

    def put_routes(self, table: Any) -> None:
        """Replace the table; returns once it is in effect."""
        self._call("PUT", "/routes", json.dumps(table).encode())

    def measures(self) -> Any:
        """What each deployed model has answered since the agent's start (workloads/gateway/measures.py)."""
        return json.loads(self._call("GET", "/measures", None))

    def wakes(self, after: int) -> Any:
        """The endpoints that requests are held for, once that is news (workloads/gateway/holder.py)."""
        return json.loads(self._call("GET", f"/wakes?after={after}", None, WAKES_S))

    def segments(self) -> Any:
        """Of logged predictions: {"segments": names, "dropped": count} (workloads/gateway/request_log.py)."""
        return json.loads(self._call("GET", "/requests", None))

    def segment(self, name: str) -> bytes:
        """One of them."""
        return self._call("GET", f"/requests/{name}", None)

    def remove_segment(self, name: str) -> None:
        """It is in the object store."""
        self._call("DELETE", f"/requests/{name}", None)

    def _call(self, method: str, path: str, body: bytes | None, timeout_s: float = TIMEOUT_S) -> bytes:
        token = own_token(self._config, self._keys)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310  the URL is the stack's own setting
            f"{self._config.gateway_agent_url}{path}", data=body, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            said = error.read(2000).decode("utf-8", "replace")
            raise GatewayError(f"the gateway refused {method} {path} ({error.code}): {said}") from error
        except OSError as error:
            raise GatewayError(f"the gateway's agent does not answer: {error}") from error


class Waker:
    """Passes on, in a thread of its own, for which endpoints the gateway holds requests.

    Args:
        wake: called with the endpoint's name.
    """

    def __init__(self, gateway: Gateway, wake: Callable[[str], None]) -> None:
        self._gateway, self._wake = gateway, wake

    def run(self) -> None:
        """For ever; while the gateway does not answer, the sweep finds what is held."""
        number = 0
        while True:
            try:
                number = self.once(number)
            except (GatewayError, ValueError) as error:
                LOG.debug("no news of held requests: %s", error)
                time.sleep(PAUSE_S)

    def once(self, after: int) -> int:
        """Wait for news and pass it on; its number."""
        news = self._gateway.wakes(after)
        for endpoint in news["endpoints"]:
            self._wake(endpoint)
        return int(news["number"])


class Routes:
    """Pushes the table whenever it differs from the gateway's.

    Args:
        down: addresses of servers that get no traffic now, for whatever reason.
    """

    def __init__(self, platform: Platform, down: Callable[[], set[str]]) -> None:
        self._store, self._gateway, self._config = platform.store, platform.gateway, platform.config
        self._down = down
        self._lock = threading.Lock()  # an older table must not overtake a newer one

    def sync(self) -> None:
        """Make the gateway's table that of the rows, and note on each row which split is in effect."""
        with self._lock:
            rows = self._store.list("endpoints")
            endpoints = [(row.name, split(row), ready_models(row)) for row in rows]
            down = self._down() | {each for row in rows for each in self._unborn(row)}
            logs = {row.name: log for row in rows if (log := request_logs.route(row.message))}
            shares = {row.name: shadows.shares(row.message) for row in rows}
            wanted = routes.table(endpoints, self._config, down, holds(rows), logs, shares)
            if self._gateway.routes() != wanted:
                self._gateway.put_routes(wanted)
            for row in rows:
                if row.status.get("routed", {}) != split(row):
                    self._note(row)

    def _unborn(self, row: Resource) -> Iterator[str]:
        """Addresses of servers that have not been healthy yet and will get traffic all at once when they are.

        The gateway must not know them before: it would go on taking them for down until its next check of them.
        """
        for entry in row.status.get("deployed", {}).values():
            if entry.get("rollout", {}).get("state") == WAITING:
                yield from addresses(DeployedModel.from_json(entry["model"]), self._config)

    def _note(self, row: Resource) -> None:
        try:
            self._store.update(row.name, lambda _, status: status.update(routed=split(row)))
        except NotFound:
            return  # deleted meanwhile; the next sweep takes its routes away


def split(row: Resource) -> dict[str, int]:
    """The traffic split of an endpoint's message."""
    return {model_id: int(share) for model_id, share in (row.message.get("trafficSplit") or {}).items()}


def holds(rows: Iterable[Resource]) -> dict[tuple[str, str], str]:
    """The deployed models that scale to zero, and what keeps them from having a server now."""
    entries = [(row.name, model_id, entry) for row in rows for model_id, entry in deployed(row).items()]
    return {(name, key): entry.get("note", "") for name, key, entry in entries if (by := rule(entry)) and by.sleeps}


def ready_models(row: Resource) -> list[DeployedModel]:
    """The deployed models of an endpoint that can be routed."""
    entries: list[Json] = list(row.status.get("deployed", {}).values())
    return [DeployedModel.from_json(entry["model"]) for entry in entries if entry["phase"] == "ready"]
