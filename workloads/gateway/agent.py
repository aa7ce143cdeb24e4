"""The gateway's main program: starts HAProxy on the stored routes and takes new ones on its own port.

Called as the image's command. `GET /healthz` is open; `GET` and `PUT /routes` need a token of role admin, which the
controllers have.
"""

import os
import signal
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from workloads import contract, tokens
from workloads.gateway.config import Places, error_body
from workloads.gateway.haproxy import HAProxy, HAProxyError
from workloads.gateway.router import Router
from workloads.gateway.routes import InvalidRoutes

_STORED: Final = Path("/var/lib/gateway/routes.json")
_FOLDER: Final = Path("/tmp/gateway")  # noqa: S108  the container's own tmpfs
_LARGEST_TABLE: Final = 64 << 20


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM or until HAProxy ends; the exit code."""
    try:
        stack = environ.get("CAIRN_STACK", "")
        if not stack:
            raise RuntimeError("CAIRN_STACK is not set; it must be the stack's name, the issuer of its tokens")
        key = contract.read_secret(contract.SECRET_SIGNING_KEY)
        _FOLDER.mkdir(mode=0o700, exist_ok=True)
        places = Places(_FOLDER, Path(__file__).with_name("prediction.lua"))
        haproxy = HAProxy(places, key)
        router = Router(haproxy, places, _STORED, stack)
        router.start()
    except (RuntimeError, OSError, HAProxyError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: haproxy.stop())
    server = ThreadingHTTPServer(("", contract.GATEWAY_AGENT_PORT), handler(router, haproxy, stack, key))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"gateway: serving on port {contract.GATEWAY_PORT}, routes on port {contract.GATEWAY_AGENT_PORT}", flush=True)
    return haproxy.wait()


def handler(router: Router, haproxy: HAProxy, stack: str, key: str) -> type[BaseHTTPRequestHandler]:
    """The handler's class of this gateway."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802  the base class's name
            if self.path == contract.PATH_HEALTH:
                serving = haproxy.is_serving()
                self._answer(200 if serving else 503, "{}" if serving else error_body(503, "HAProxy doesn't answer"))
            elif self._is_routes() and self._is_admin():
                self._answer(200, router.text)

        def do_PUT(self) -> None:  # noqa: N802  the base class's name
            text = self._body()
            if text is None or not self._is_routes() or not self._is_admin():
                return
            try:
                router.replace(text)
            except InvalidRoutes as error:
                self._answer(400, error_body(400, str(error)))
            except (HAProxyError, OSError) as error:
                self._answer(500, error_body(500, str(error)))
            else:
                self._answer(200, "{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
            """Say nothing: health checks come every few seconds, and errors are in the answers."""

        def _body(self) -> str | None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > _LARGEST_TABLE:
                self.close_connection = True
                self._answer(400, error_body(400, f"Content-Length must be given and at most {_LARGEST_TABLE} bytes"))
                return None
            return self.rfile.read(int(length)).decode("utf-8", "replace")

        def _is_routes(self) -> bool:
            if self.path == "/routes":
                return True
            self._answer(404, error_body(404, f"{self.path} is not served here; the agent has /routes and /healthz"))
            return False

        def _is_admin(self) -> bool:
            scheme, _, token = self.headers.get("Authorization", "").partition(" ")
            try:
                if scheme.lower() != "bearer":
                    raise tokens.InvalidToken("no bearer token; send Authorization: Bearer <the stack's admin token>")
                principal = tokens.verify(token.strip(), stack, key)
            except tokens.InvalidToken as error:
                self._answer(401, error_body(401, str(error)))
                return False
            if principal.role != tokens.ROLE_ADMIN:
                self._answer(
                    403, error_body(403, f"{principal.subject} may not see or change routes: it needs role admin")
                )
                return False
            return True

        def _answer(self, status: int, body: str) -> None:
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler
