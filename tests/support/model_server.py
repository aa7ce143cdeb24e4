"""A model server that tells who it is and what it got; `mode` in the request's body, or $MODE, makes it answer oddly.

Runs as a program in containers of the gateway's and the batch driver's tests. Standard library only.
"""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ODD: dict[str, dict[str, Any]] = {
    "list": {"body": b"[1, 2]"},
    "empty": {"body": b"{ }"},
    "large": {"body": json.dumps({"predictions": ["x" * 100] * 20_000}).encode()},
    "fail": {"status": 500},
    "refuse": {"status": 400},
    "text": {"content_type": "text/plain"},
    "cut": {"missing": 1},
}  # how an answer differs, by mode


class Handler(BaseHTTPRequestHandler):
    """Vertex's contract, loosely: any path is a predict route."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        """Healthy."""
        self._answer(b"{}")

    def do_POST(self) -> None:
        """What was seen, or as `mode` says."""
        request: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        mode = os.environ.get("MODE") or request.get("mode", "")
        seen = {
            "predictions": request.get("instances", []),
            "server": os.uname().nodename,
            "path": self.path,
            "authorization": self.headers.get("Authorization"),
            "members": self.headers.get("X-Cairn-Answer"),
        }
        body = json.dumps(seen).encode()
        if mode == "die":
            os._exit(3)
        if mode == "slow":
            time.sleep(2)
        if mode == "complete":
            body = b"{" + self.headers.get("X-Cairn-Answer", "").encode() + body[1:]
        if mode.startswith("chunked"):
            self._chunked(b"  " + body if mode == "chunked-space" else body)
        else:
            self._answer(**{"body": body, **ODD.get(mode, {})})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Keep the log for what matters."""

    def _answer(self, body: bytes, status: int = 200, content_type: str = "application/json", missing: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection |= bool(missing)

    def _chunked(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for start in range(0, len(body), 7):
            piece = body[start : start + 7]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")


class Server(ThreadingHTTPServer):
    """With room for a crowd."""

    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    Server(("", 8080), Handler).serve_forever()
