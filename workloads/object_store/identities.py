"""Tells versitygw who holds which S3 keys and may do what: the private protocol of its IAM service, on a Unix socket.

Asked for every request that is not signed with the root's keys. A workload's keys come from its own bearer token
(`workloads/tokens.py`), which its client sends along as the session token: so they open the token's buckets and end
with it, nothing is kept, and nothing has to be made or removed when a job begins or ends.
"""

import base64
import ctypes
import hashlib
import hmac
import json
import os
import signal
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Final, NoReturn

from workloads.tokens import InvalidToken, Keys, S3Keys, s3_keys, verify

Json = dict[str, Any]
PROTOCOL: Final = "X-Vgw-Private-Protocol"
VERSION: Final = 1
NO_SUCH_IDENTITY: Final = "NoSuchIdentity"
ARN: Final = "arn:aws:s3:::"
ALLOWED: Final = frozenset(
    f"s3:{name}"
    for name in (
        "ListBucket", "GetBucketLocation", "ListBucketMultipartUploads", "GetObject", "PutObject", "DeleteObject",
        "GetObjectAttributes", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging", "AbortMultipartUpload",
        "ListMultipartUploadParts",
    )
)  # fmt: skip
_PR_SET_PDEATHSIG: Final = 1


class Identities:
    """The answers, for the tokens of one stack."""

    def __init__(self, stack: str, keys: Keys) -> None:
        self._stack, self._keys = stack, keys
        self.answers: Mapping[str, Callable[[Json], Json]] = {
            "/private/version": self._version,
            "/private/derive-signing-key": self._derive,
            "/private/evaluate-policy": self._evaluate,
            "/private/resolve-identity": self._nobody,
            "/private/resolve-principals": self._no_principals,
        }

    def _version(self, _: Json) -> Json:
        return {"protocol": VERSION, "minClient": VERSION, "serverVersion": "cairn", "accountId": "000000000000"}

    def _derive(self, asked: Json) -> Json:
        """The key that the request's signature must be made with; versitygw compares."""
        keys, subject, _ = self._holder(asked)
        signing = b"AWS4" + keys.secret.encode()
        for part in (asked["date"], asked["region"], asked["service"], "aws4_request"):
            signing = hmac.digest(signing, str(part).encode(), hashlib.sha256)
        return {"derivedKey": base64.b64encode(signing).decode(), "principalArn": subject}

    def _evaluate(self, asked: Json) -> Json:
        """A decision for every action on every resource. A denial is final, whatever a bucket's own policy says."""
        _, subject, buckets = self._holder(asked)
        actions = asked.get("actions") or []
        decisions = [[_decision(action, each, buckets) for action in actions] for each in asked.get("resources") or []]
        return {"decisions": decisions, "principalArn": subject}

    def _nobody(self, asked: Json) -> Json:
        return {"identities": [{"found": False} for _ in asked.get("accessKeyIds") or []]}

    def _no_principals(self, asked: Json) -> Json:
        return {"invalid": list(asked.get("principals") or [])}

    def _holder(self, asked: Json) -> tuple[S3Keys, str, tuple[str, ...]]:
        """The keys of the token that came along, whom it is for, and its buckets.

        Raises:
            InvalidToken: it is none of this stack's, or not the one that these keys were made from.
        """
        token = str(asked.get("sessionToken") or "")
        principal = verify(token, self._stack, self._keys)
        keys = s3_keys(token, self._keys)
        if principal.buckets is None or not hmac.compare_digest(keys.access, str(asked.get("accessKeyId") or "")):
            raise InvalidToken("these keys were not made from this token")
        return keys, f"arn:aws:iam::000000000000:user/{principal.subject}", principal.buckets


def _decision(action: str, resource: str, buckets: tuple[str, ...]) -> str:
    bucket = resource.removeprefix(ARN).partition("/")[0]
    return "allow" if action in ALLOWED and bucket in buckets else "deny"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        """One question."""
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            answer = self.server.identities.answers[self.path](json.loads(asked or b"{}"))
        except InvalidToken as error:
            self._say(HTTPStatus.FORBIDDEN, {"code": NO_SUCH_IDENTITY, "error": str(error)})
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            self._say(HTTPStatus.BAD_REQUEST, {"code": "BadRequest", "error": repr(error)})
        else:
            self._say(HTTPStatus.OK, answer)

    def _say(self, status: HTTPStatus, content: Json) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header(PROTOCOL, str(VERSION))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: one line a request would be most of the log."""


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    identities: Identities


def listen(path: Path, stack: str, keys: Keys) -> _Server:
    """A server on the socket, which only this user may open; questions wait until it serves."""
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = _Server(str(path), _Handler)
    finally:
        os.umask(before)
    server.identities = Identities(stack, keys)
    return server


def serve_around(server: _Server, become: Callable[[], NoReturn]) -> int:
    """Answer while a child becomes versitygw; neither outlives the other. Returns the child's exit code."""
    child = os.fork()
    if not child:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        server.socket.close()
        become()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: os.kill(child, received))
    threading.Thread(target=server.serve_forever, daemon=True, name="identities").start()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
