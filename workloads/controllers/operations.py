"""Long-running operations on endpoints that the API leaves to controllers. deploy.py and undeploy.py carry them out.

Each step is noted in a row before the next: on the endpoint what is there or on its way, in the operation's
`status.failure` that it is being undone. The API has checked the request already.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workloads.controllers import outcome
from workloads.controllers.endpoint_rows import CODE_NOT_FOUND, Failure
from workloads.controllers.engines.base import ImageMissing, Refused
from workloads.controllers.platform import Json, Platform, error, timestamp
from workloads.plans.errors import InvalidWish
from workloads.store import NotFound, Resource


class Method(Protocol):
    """Carries out one method on an endpoint; every call may come again after a restart."""

    response: str  # the response message's name

    def step(self, started: str, request: Json) -> float | Json:
        """Go as far as it goes now; returns the response, or in how many seconds to look again.

        Args:
            started: when the operation began.
            request: status.request: {"target", "message"}.

        Raises:
            Failure: it can't be done.
        """

    def undo(self, request: Json) -> None:
        """Take back what a failed operation has begun."""


class Operations:
    """Reconciles operations."""

    collection = "operations"
    states: Sequence[str] | None = ("RUNNING",)

    def __init__(self, platform: Platform, methods: Mapping[str, Method]) -> None:
        self._platform, self._methods = platform, methods

    def reconcile(self, row: Resource) -> float | None:
        """Bring the operation as far as it goes now."""
        request = row.status.get("request")
        if row.state != "RUNNING" or not request or request["method"] not in self._methods:
            return None
        try:
            if failure := row.status.get("failure"):
                self._methods[request["method"]].undo(request)
                return self._finish(row, {"error": failure})
            return self._step(row, request)
        except NotFound:
            gone = f"{request['target']} does not exist any more."
            return self._finish(row, {"error": error(CODE_NOT_FOUND, gone)})

    def _step(self, row: Resource, request: Json) -> float | None:
        row = self._begin(row)
        if row.state != "RUNNING":
            return None
        method = self._methods[request["method"]]
        try:
            answer = method.step(row.status["started"], request)
        except Failure as wrong:
            return self._fail(row, wrong.status)
        except (InvalidWish, ImageMissing, Refused) as wrong:
            return self._fail(row, error(outcome.CODE_INVALID, str(wrong)))
        if isinstance(answer, float):
            return answer
        kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{method.response}"
        return self._finish(row, {"response": {"@type": kind, **answer}})

    def _begin(self, row: Resource) -> Resource:
        """From here on the API's cancel has no effect."""
        now = timestamp(self._platform.now())

        def begin(message: Json, status: Json) -> None:
            if not message.get("done"):
                status.setdefault("started", now)

        return self._platform.store.update(row.name, begin)

    def _fail(self, row: Resource, failure: Mapping[str, Any]) -> float | None:
        def fail(_: Json, status: Json) -> None:
            status.setdefault("failure", failure)

        return self.reconcile(self._platform.store.update(row.name, fail))

    def _finish(self, row: Resource, fields: Json) -> float | None:
        def finish(message: Json, _: Json) -> None:
            if not message.get("done"):
                message.update(done=True, **fields)

        self._platform.store.update(row.name, finish)
        return None
