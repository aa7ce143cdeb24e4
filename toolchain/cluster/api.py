"""The few questions that this package asks an API server, over the standard library: it starts before any package is.

Called by up.py, status.py and stack/cluster.py.
"""

import base64
import json
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

MANAGER = "cairn-toolchain"
TIMEOUT_SECONDS = 10
NOT_FOUND = 404


class Refused(Exception):
    """The API server said no, or nothing."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Api:
    """An API server by a kubeconfig of ours: one cluster, one user, certificates inside."""

    def __init__(self, kubeconfig: str) -> None:
        told = json.loads(kubeconfig)
        cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
        self._server = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=authority)
        with tempfile.TemporaryDirectory() as folder:  # private to this user; OpenSSL reads keys from files only
            pair = Path(folder) / "pair.pem"
            parts = (user["client-certificate-data"], user["client-key-data"])
            pair.write_bytes(b"".join(base64.b64decode(part) for part in parts))
            context.load_cert_chain(pair)
        # No proxy of the environment's: the server is on the loopback.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def text(self, path: str, method: str = "GET", body: Any = None, kind: str = "application/json") -> str:
        """What it answers.

        Raises:
            Refused: an error, or no answer.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind}
        request = urllib.request.Request(self._server + path, data, headers, method=method)  # noqa: S310 (https)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as problem:
            with problem:
                raise Refused(problem.code, problem.read().decode(errors="replace")) from problem
        except OSError as problem:
            raise Refused(0, str(problem)) from problem

    def get(self, path: str) -> Any:
        """The JSON behind a path."""
        return json.loads(self.text(path))

    def apply(self, path: str, manifest: dict[str, Any]) -> None:
        """Make an object what the manifest says."""
        whole = f"{path}/{manifest['metadata']['name']}?fieldManager={MANAGER}&force=true"
        self.text(whole, "PATCH", manifest, "application/apply-patch+yaml")

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            return self.text("/readyz") == "ok"
        except Refused:
            return False
