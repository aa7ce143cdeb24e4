"""Which cluster and which login a kubeconfig names: contexts, address, certificates or token.

Logins that another program gives (`exec`) are left to the provider: running one is not this program's business.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from infra.backends.kubernetes.namespace import ROOT

DEFAULT: Final = "~/.kube/config"
FOREIGN_LOGINS: Final = ("exec", "auth-provider", "username")


@dataclass(frozen=True)
class Access:
    """How an API server is reached; certificates and key are PEM.

    Attributes:
        name: of the server as its certificate says, where that is not its address.
    """

    server: str
    authority: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    name: str = ""
    insecure: bool = False


@dataclass(frozen=True)
class Kubeconfig:
    """What the files say together; of entries of one name the first counts, as with kubectl."""

    paths: tuple[Path, ...]
    contexts: Mapping[str, Mapping[str, Any]]
    clusters: Mapping[str, Mapping[str, Any]]
    users: Mapping[str, Mapping[str, Any]]
    current: str

    def access(self, context: str) -> Access | None:
        """How the context's cluster is reached; None when its login is another program's."""
        chosen = self.contexts[context]
        cluster = self.clusters.get(str(chosen.get("cluster")), {})
        user = self.users.get(str(chosen.get("user")), {})
        server = str(cluster.get("server", ""))
        if not server.startswith("https://") or any(each in user for each in FOREIGN_LOGINS):
            return None
        return Access(
            server=server,
            authority=_pem(cluster, "certificate-authority"),
            certificate=_pem(user, "client-certificate"),
            key=_pem(user, "client-key"),
            token=str(user.get("token") or _text(user.get("tokenFile"))),
            name=str(cluster.get("tls-server-name", "")),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
        )


def load(given: str) -> Kubeconfig:
    """The files that the settings, else $KUBECONFIG name, else the usual one; files that don't exist say nothing.

    Raises:
        ValueError: a file is no kubeconfig.
    """
    paths = _paths(given)
    read = [_read(path) for path in paths if path.is_file()]
    return Kubeconfig(
        paths=tuple(paths),
        contexts=_named(read, "contexts", "context"),
        clusters=_named(read, "clusters", "cluster"),
        users=_named(read, "users", "user"),
        current=next((str(each["current-context"]) for each in read if each.get("current-context")), ""),
    )


def _paths(given: str) -> list[Path]:
    if given:
        return [ROOT / Path(given).expanduser()]
    named = os.environ.get("KUBECONFIG") or DEFAULT
    return [Path(each).expanduser() for each in named.split(os.pathsep) if each]


def _read(path: Path) -> dict[str, Any]:
    """A file's content, in which every path is absolute."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not a kubeconfig: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a kubeconfig")  # noqa: TRY004  (the file's content is wrong, not a type)
    for section, kind in (("clusters", "cluster"), ("users", "user")):
        for entry in content.get(section) or ():
            for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
                if key in entry[kind]:
                    entry[kind][key] = str(path.parent / entry[kind][key])
    return content


def _named(read: Sequence[Mapping[str, Any]], section: str, kind: str) -> dict[str, Mapping[str, Any]]:
    return {entry["name"]: entry.get(kind) or {} for each in reversed(read) for entry in each.get(section) or ()}


def _pem(entry: Mapping[str, Any], key: str) -> str:
    """Given in the file itself, or as the path of another."""
    data = entry.get(f"{key}-data")
    return base64.b64decode(data).decode() if data else _text(entry.get(key))


def _text(path: str | None) -> str:
    return Path(path).read_text(encoding="utf-8").strip() if path else ""
