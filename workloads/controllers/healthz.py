"""GET /healthz of the controllers: 200 while the loop turns, or waits to lead; 503 once it has stood still."""

import http.server
import threading
from collections.abc import Callable

from workloads import contract


def serve(is_alive: Callable[[], bool], port: int = contract.CONTROLLERS_PORT) -> http.server.ThreadingHTTPServer:
    """Answer in a thread of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        """Knows one path."""

        timeout = 5  # jobs reach this port too: nobody may hold its threads

        def do_GET(self) -> None:
            known = self.path == contract.PATH_HEALTH
            self.send_response((200 if is_alive() else 503) if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name for it
            """Say nothing: it is asked every few seconds."""

    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), Handler)  # noqa: S104  in a container of its own
    threading.Thread(target=server.serve_forever, daemon=True, name="healthz").start()
    return server
