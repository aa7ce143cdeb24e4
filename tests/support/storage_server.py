"""A small Cloud Storage JSON server over a folder of buckets: list, read (ranges), upload. Standard library only.

In a test's process (`serve`) for unit tests, and as a program (`python3 storage_server.py FOLDER PORT`) in a container.
It asks for the bearer token TOKEN. `Faults` make it fail on purpose.
"""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "the-token"


@dataclass
class Faults:
    """What to do wrong: statuses to answer before anything else; how many downloads to cut after some bytes."""

    statuses: list[int] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """One request to a StorageServer."""

    server: "StorageServer"
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A listing or a download."""
        if self._refused():
            return
        url = urlsplit(self.path)
        parts = url.path.split("/")  # "", storage, v1, b, BUCKET, o[, NAME]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if len(parts) == 6:
            self._list(self.server.folder / parts[4], query)
        else:
            self._download(self.server.folder / parts[4] / unquote(parts[6]))

    def do_POST(self) -> None:
        """An upload."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        url = urlsplit(self.path)
        target = self.server.folder / url.path.split("/")[5] / parse_qs(url.query)["name"][0]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        self._json(200, {"name": target.name})

    def do_DELETE(self) -> None:
        """A removal."""
        if self._refused():
            return
        parts = urlsplit(self.path).path.split("/")
        target = self.server.folder / parts[4] / unquote(parts[6])
        if target.is_file():
            target.unlink()
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._json(404, {"error": {"code": 404, "message": f"No such object: {target.name}"}})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Keep the tests' output clean."""

    def _refused(self) -> bool:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json(401, {"error": {"code": 401, "message": "bad token"}})
            return True
        if self.server.faults.statuses:
            self._json(self.server.faults.statuses.pop(0), {"error": {"message": "a fault on purpose"}})
            return True
        return False

    def _list(self, bucket: Path, query: dict[str, str]) -> None:
        names = sorted(str(path.relative_to(bucket)) for path in bucket.rglob("*") if path.is_file())
        names = [name for name in names if name.startswith(query.get("prefix", ""))]
        start = int(query.get("pageToken", "0"))
        shown = names[start : start + self.server.page_size]
        page: dict[str, object] = {"items": [{"name": n, "size": str((bucket / n).stat().st_size)} for n in shown]}
        if start + self.server.page_size < len(names):
            page["nextPageToken"] = str(start + self.server.page_size)
        self._json(200, page)

    def _download(self, path: Path) -> None:
        if not path.is_file():
            self._json(404, {"error": {"code": 404, "message": f"No such object: {path.name}"}})
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        content = path.read_bytes()[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.faults.cut_after:
            content = content[: self.server.faults.cut_after.pop(0)]
            self.close_connection = True
        self.wfile.write(content)

    def _json(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class StorageServer(ThreadingHTTPServer):
    """Serves the buckets below a folder."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], folder: Path, faults: Faults, page_size: int = 2) -> None:
        super().__init__(address, Handler)
        self.folder, self.faults, self.page_size = folder, faults, page_size


@contextmanager
def serve(folder: Path, faults: Faults | None = None) -> Iterator[str]:
    """Serve the folder's buckets on loopback; yields the base URL."""
    server = StorageServer(("127.0.0.1", 0), folder, faults or Faults())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    StorageServer(("", int(sys.argv[2])), Path(sys.argv[1]), Faults(), page_size=1000).serve_forever()
