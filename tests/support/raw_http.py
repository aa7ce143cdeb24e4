"""Requests that no well-behaved client sends, as bytes on a socket."""

import socket
from dataclasses import dataclass
from typing import Final

GOOD: Final = "projects/{project}/locations/{location}"


@dataclass(frozen=True)
class Raw:
    """One request.

    Attributes:
        text: the request with {auth} for the Authorization header's line, {host}, {project} and {location}.
        may: the statuses that are right answers; 0 for a connection that is closed without one.
    """

    name: str
    text: str
    may: tuple[int, ...]

    def to_bytes(self, values: dict[str, str]) -> bytes:
        """What goes onto the wire."""
        text = self.text
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        return text.encode("latin-1")


def get(path: str, *headers: str, version: str = "HTTP/1.1", verb: str = "GET") -> str:
    """A request for a path, as it is."""
    lines = [f"{verb} {path} {version}", "Host: {host}", "{auth}", *headers, "Connection: close", "", ""]
    return "\r\n".join(lines)


def _post(body: str, *headers: str) -> str:
    return get(f"/v1/{GOOD}/customJobs", *headers, verb="POST") + body


LIST: Final = f"/v1/{GOOD}/customJobs"
REFUSED: Final = (0, 400)
RAW: Final = (
    # --- request lines -----------------------------------------------------------------------------------------
    Raw("no request line", "\r\n\r\n", REFUSED),
    Raw("noise", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "A" * 300 + "\r\n\r\n", REFUSED),
    Raw("HTTP/0.9", "GET /\r\n\r\n", REFUSED),
    Raw("HTTP/9.9", get(LIST, version="HTTP/9.9"), (0, 200, 400, 505)),  # HAProxy takes it for 1.1
    Raw("unknown method", get(LIST, verb="BREW"), (0, 400, 404, 405)),
    Raw("TRACE", get(LIST, verb="TRACE"), (0, 400, 404, 405)),
    Raw("CONNECT", get("127.0.0.1:22", verb="CONNECT"), (0, 400, 404, 405)),
    Raw("an absolute URL", get("http://169.254.169.254/latest/meta-data"), (0, 400, 401, 404)),
    Raw("a path of 64 KB", get("/v1/" + "a" * 65_000), (0, 400, 404, 414, 431)),
    Raw("a space in the path", get("/v1/a b/c"), REFUSED),
    Raw("NUL in the path", get("/v1/a\x00b"), REFUSED),
    Raw("raw bytes in the path", get("/v1/\xff\xfe"), (0, 400, 404)),
    Raw("dots in the path", get("/v1/../../../../etc/passwd"), (0, 400, 404)),
    Raw("encoded dots", get("/v1/%2e%2e/%2e%2e/etc/passwd"), (400, 404)),
    Raw("encoded slash", get(f"{LIST}%2f1"), (400, 404)),
    Raw("bad percent", get(f"{LIST}/%zz"), (400, 404)),
    Raw("a query of 60 KB", get(f"{LIST}?filter=" + "a" * 60_000), (0, 400, 414, 431)),
    # --- headers -----------------------------------------------------------------------------------------------
    Raw("a header of 70 KB", get(LIST, "X-A: " + "a" * 70_000), (0, 400, 431)),
    Raw("five hundred headers", get(LIST, *(f"X-{n}: 1" for n in range(500))), (0, 200, 400, 431)),
    Raw("a header without a name", get(LIST, ": x"), REFUSED),
    Raw("a space before the colon", get(LIST, "X-A : 1"), REFUSED),
    Raw("NUL in a header", get(LIST, "X-A: a\x00b"), REFUSED),
    Raw("a folded header", get(LIST, "X-A: 1\r\n 2"), (0, 200, 400)),
    Raw("no host", f"GET {LIST} HTTP/1.1\r\n{{auth}}\r\nConnection: close\r\n\r\n", (200, 400)),
    Raw("two hosts", get(LIST, "Host: other"), (0, 200, 400)),
    Raw("another host", get(LIST).replace("{host}", "evil.example"), (200, 400)),
    Raw("two authorizations", get(LIST, "Authorization: Bearer x"), (200, 400, 401)),
    Raw("an empty token", get(LIST).replace("{auth}", "Authorization: Bearer "), (401,)),
    Raw("token in the query only", get(f"{LIST}?access_token=x").replace("{auth}", "X-A: 1"), (401,)),
    Raw("a token with alg none", get(LIST).replace("{auth}", "Authorization: Bearer eyJhbGciOiJub25lIn0.e30."), (401,)),
    Raw("a token of 60 KB", get(LIST).replace("{auth}", "Authorization: Bearer " + "a" * 60_000), (0, 400, 401, 431)),
    Raw("a forged principal", get(LIST, "X-Forwarded-User: admin").replace("{auth}", "X-A: 1"), (401,)),
    Raw("method override", get(LIST, "X-HTTP-Method-Override: DELETE"), (200, 400)),
    Raw("an upgrade", get(LIST, "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), (0, 200, 400)),
    Raw("expects the impossible", get(LIST, "Expect: 200-ok"), (0, 200, 400, 417)),
    # --- lengths: what splits one request in two must not get through --------------------------------------------
    Raw("two lengths", _post("{}", "Content-Length: 2", "Content-Length: 20"), REFUSED),
    Raw("length and chunks", _post("0\r\n\r\nGET /x", "Content-Length: 6", "Transfer-Encoding: chunked"), REFUSED),
    Raw("chunked twice", _post("0\r\n\r\n", "Transfer-Encoding: chunked", "Transfer-Encoding: identity"), REFUSED),
    Raw("a hidden encoding", _post("0\r\n\r\n", "Transfer-Encoding: xchunked"), (0, 400, 501)),
    Raw("a negative length", _post("{}", "Content-Length: -2"), REFUSED),
    Raw("a length that is no number", _post("{}", "Content-Length: two"), REFUSED),
    Raw("a length with a plus", _post("{}", "Content-Length: +2"), REFUSED),
    Raw("an absurd length", _post("{}", "Content-Length: 99999999999999999999"), (0, 400, 413)),
    Raw("a bad chunk", _post("zz\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked"), REFUSED),
    Raw("a huge chunk size", _post("fffffffffffffffff\r\n{}", "Transfer-Encoding: chunked"), (0, 400, 413)),
    # --- bodies ------------------------------------------------------------------------------------------------
    Raw("no body", _post("", "Content-Length: 0"), (400,)),
    Raw("UTF-16", _post("\xff\xfe{\x00}\x00", "Content-Length: 6"), (400,)),
    Raw("gzip that is none", _post("{}", "Content-Length: 2", "Content-Encoding: gzip"), (400,)),
    Raw("a body for a GET", get(LIST, "Content-Length: 5") + "hello", (200, 400)),
)


def send(address: tuple[str, int], data: bytes, timeout_s: float = 20) -> tuple[int, bytes]:
    """Status (0 without one) and the whole answer."""
    with socket.create_connection(address, timeout=timeout_s) as connection:
        answer = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            raise
        except OSError:
            pass  # a refusal may come, and the connection go, while the request is still on its way
    first = answer.split(b" ", 2)
    status = int(first[1][:3]) if answer.startswith(b"HTTP/") and len(first) > 1 else 0
    return status, answer
