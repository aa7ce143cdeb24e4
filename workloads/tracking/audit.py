"""Tells the stack's audit log, which the API keeps, who changed what in MLflow, before MLflow's answer goes out.

By the API's own rules (workloads/api/audit.py): refused changes too, and a change whose entry can't be written is
answered as unavailable, whatever became of it. Not told: reads; what a run notes of itself (metrics, parameters, tags,
traces, artefacts), of which there may be thousands a minute; and what the platform itself asks for, since the API has
logged whose wish that was. Of a body, an entry has the names of what is changed and nothing else.
"""

import asyncio
import http.client
import json
import logging
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from workloads import contract, tokens
from workloads.tracking import rules

Deed = Mapping[str, Any]  # principal, role, method, resource, status, source: workloads.store.Deed in JSON
Write = Callable[[Deed], None]  # makes an entry durable; raises Unwritten

PLATFORM: Final = "platform"  # as whom API and controllers ask (workloads/registry)
SENDER: Final = tokens.Principal(contract.TRACKING_HOST, tokens.ROLE_ADMIN)
PATIENCE_S: Final = 60.0  # the API may be on its way back: an upgrade, a kill
RETRY_S: Final = 0.5
TIMEOUT_S: Final = 10.0
TOKEN_S: Final = 300.0
_CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_RECORDS: Final = re.compile(
    r"/graphql|/v1/(traces|metrics)|/(ajax-)?api/[23]\.0/(mlflow-artifacts/.*"
    r"|mlflow/(runs/(create|update|outputs|set-tag|delete-tag|log-[a-z-]+)|(traces|logged-models|metrics)(/.*)?"
    r"|upload-artifact))"
)
_CALL: Final = re.compile(r"/(ajax-)?api/[23]\.0/mlflow/(?P<call>(?P<kind>[a-z-]+)/[a-z-]+)/?")
_NAMES: Final = ("name", "version", "alias", "run_id", "experiment_id", "key")  # what a body may name
_log = logging.getLogger("tracking.audit")


class Unwritten(Exception):
    """The audit log can't be written."""


def is_change(principal: tokens.Principal, method: str, path: str) -> bool:
    """Whether such a request has its place in the audit log."""
    if principal.subject == PLATFORM or method not in _CHANGING or rules.searches(path):
        return False
    return rules.destroys(method, path) or not _RECORDS.fullmatch(path)


def deed(principal: tokens.Principal, scope: Mapping[str, Any], body: bytes, status: int) -> Deed:
    """The entry of a request that was answered with the status."""
    path, found = scope["path"], _CALL.fullmatch(scope["path"])
    return {
        "principal": principal.subject,
        "role": principal.role,
        "method": f"{scope['method']} {found['call']}" if found else scope["method"],
        "resource": "/".join([found["kind"], *_names(body)]) if found else path,
        "status": status,
        "source": (scope.get("client") or ("",))[0],
    }


def _names(body: bytes) -> list[str]:
    try:
        message: Any = json.loads(body or b"{}")
    except ValueError:
        return []
    return [str(message[name]) for name in _NAMES if name in message] if isinstance(message, dict) else []


async def write(entry: Deed, to: Write) -> bool:
    """Whether the entry is durable; what kept it from that is in this server's own log."""
    try:
        await asyncio.to_thread(to, entry)
    except Unwritten as error:
        _log.error("no entry for %s of %s (%d): %s", entry["method"], entry["principal"], entry["status"], error)
        return False
    return True


class AuditLog:
    """The API's log, from here.

    Args:
        url: where the API takes entries.
    """

    def __init__(self, url: str, stack: str, keys: tokens.Keys) -> None:
        self._url, self._stack, self._keys = url, stack, keys

    def __call__(self, entry: Deed) -> None:
        """Durable once this returns; waits for an API that is away.

        Raises:
            Unwritten: it stayed away, or doesn't take the entry.
        """
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._post(entry)
            except (OSError, http.client.HTTPException) as error:  # a refusal too: an API of before this log's time
                if time.monotonic() > deadline:
                    raise Unwritten(f"POST {self._url}: {error}") from None
                time.sleep(RETRY_S)

    def _post(self, entry: Deed) -> None:
        token = tokens.sign(SENDER, self._stack, self._keys, TOKEN_S)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, json.dumps(entry).encode(), headers, method="POST")  # noqa: S310  the URL is the stack's own
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310
            pass
