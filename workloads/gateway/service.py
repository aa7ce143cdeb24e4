"""The agent's HTTP service: `GET /healthz`; for admins `GET` and `PUT /routes`, `GET /measures` and `GET /wakes`.

Admins have logged predictions too: `GET /requests`, and `GET` and `DELETE` of the segments that it lists.
Who asks is checked before a body is read: other containers reach this port too.
"""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from workloads import contract, tokens
from workloads.gateway.config import error_body
from workloads.gateway.haproxy import HAProxyError
from workloads.gateway.holder import Holder
from workloads.gateway.measures import Measures
from workloads.gateway.request_log import Spool
from workloads.gateway.router import Router
from workloads.gateway.routes import InvalidRoutes
from workloads.gateway.shadows import Shadows

_ROUTES: Final = "/routes"
_MEASURES: Final = "/measures"
_WAKES: Final = "/wakes"
_REQUESTS: Final = "/requests"
_LONGEST_S: Final = 25.0
_LARGEST_TABLE: Final = 16 << 20


class Service(ThreadingHTTPServer):
    """Serves one router's routes.

    Args:
        verify: tells whose token comes with a request.
    """

    daemon_threads = True

    def __init__(
        self,
        router: Router,
        measures: Measures,
        holder: Holder,
        spool: Spool,
        shadows: Shadows,
        verify: tokens.Verify,
        port: int = contract.GATEWAY_AGENT_PORT,
    ) -> None:
        super().__init__(("", port), Handler)
        self.router, self.measures, self.holder = router, measures, holder
        self.spool, self.shadows = spool, shadows
        self._verify = verify

    def refusal(self, authorization: str) -> tuple[int, str] | None:
        """Status and reason why this Authorization header may not see or change routes; None when it may."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return 401, "no bearer token; send Authorization: Bearer <the stack's admin token>"
        try:
            principal = self._verify(token.strip())
        except tokens.InvalidToken as error:
            return 401, str(error)
        if principal.role != tokens.ROLE_ADMIN:
            return 403, f"{principal.subject} may not see or change routes: it needs role admin"
        return None


class Handler(BaseHTTPRequestHandler):
    """One request to a Service."""

    server: Service
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        """Health, or the table in use."""
        if self.path == contract.PATH_HEALTH:
            if self.server.router.is_serving():
                self._answer(HTTPStatus.OK, "{}")
            else:
                self._refuse(
                    HTTPStatus.SERVICE_UNAVAILABLE, "HAProxy doesn't answer; see the log of the service gateway"
                )
        elif self._may_go_on():
            if self.path == _ROUTES:
                self._answer(HTTPStatus.OK, self.server.router.text)
            elif self.path.startswith(_WAKES):
                self._wakes()
            elif self.path == _REQUESTS:
                self._answer(HTTPStatus.OK, json.dumps(self.server.spool.report()))
            elif self.path.startswith(f"{_REQUESTS}/"):
                self._segment()
            else:
                self._measures()

    def _wakes(self) -> None:
        """Answered once a request is held that the asker has not heard of, or after a while."""
        after = self.path.partition("?after=")[2]
        if not (after.isascii() and after.isdigit()):
            self._refuse(HTTPStatus.BAD_REQUEST, f"give {_WAKES}?after=<the number of the answer before, at first 0>")
            return
        self._answer(HTTPStatus.OK, json.dumps(self.server.holder.wakes(int(after), _LONGEST_S)))

    def _segment(self) -> None:
        content = self.server.spool.read(self.path.removeprefix(f"{_REQUESTS}/"))
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}; {_REQUESTS} lists the segments")
        else:
            self._answer(HTTPStatus.OK, content.decode())

    def do_DELETE(self) -> None:
        """A segment that is in the object store; also when it is gone already."""
        if self._may_go_on(_REQUESTS):
            self.server.spool.remove(self.path.removeprefix(f"{_REQUESTS}/"))
            self._answer(HTTPStatus.OK, "{}")

    def _measures(self) -> None:
        try:
            self._answer(
                HTTPStatus.OK, json.dumps(self.server.router.measured(self.server.measures, self.server.shadows))
            )
        except (HAProxyError, OSError) as error:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"HAProxy doesn't answer: {error}")

    def do_PUT(self) -> None:
        """Use this table; answered once it is served."""
        if not self._may_go_on(_ROUTES):
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _LARGEST_TABLE:
            self._refuse(HTTPStatus.BAD_REQUEST, f"Content-Length must be given and at most {_LARGEST_TABLE}")
            return
        try:
            self.server.router.replace(self.rfile.read(int(length)).decode("utf-8", "replace"))
        except InvalidRoutes as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (HAProxyError, OSError) as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._answer(HTTPStatus.OK, "{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing: health checks come every few seconds, and errors are in the answers."""

    def _may_go_on(self, *paths: str) -> bool:
        """Whether this is a request for one of the paths by somebody who may; if not, it is answered already."""
        path = _REQUESTS if self.path.startswith(f"{_REQUESTS}/") else self.path.partition("?")[0]
        if path not in (paths or (_ROUTES, _MEASURES, _WAKES, _REQUESTS)):
            known = f"the agent has {_ROUTES}, {_MEASURES}, {_WAKES}, {_REQUESTS} and {contract.PATH_HEALTH}"
            self._refuse(HTTPStatus.NOT_FOUND, f"{self.command} {self.path} is not served here; {known}")
            return False
        refusal = self.server.refusal(self.headers.get("Authorization", ""))
        if refusal:
            self._refuse(*refusal)
        return refusal is None

    def _refuse(self, status: int, message: str) -> None:
        """Answer in Google's error model, and close: a body may be unread."""
        self.close_connection = True
        self._answer(status, error_body(int(status), message))

    def _answer(self, status: int, body: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
