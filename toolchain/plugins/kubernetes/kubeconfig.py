"""Which cluster, user and namespace: the kubeconfig of the settings, of $KUBECONFIG or of ~/.kube/config.

Read without the client, as an `up` that changes nothing needs the context's namespace and no connection.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.kubernetes.objects import dig
from toolchain.plugins.kubernetes.settings import Settings

DEFAULT_NAMESPACE = "default"
# Fields of clusters and users that name files, relative to the kubeconfig's folder.
FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Kubeconfig:
    """A whole configuration and the context in use; without clusters, `content` is empty."""

    content: dict[str, Any] = field(repr=False)
    context: str
    source: str

    @property
    def namespace(self) -> str:
        """Where objects go that name no namespace."""
        if not self.content and SERVICE_ACCOUNT_NAMESPACE.exists():
            return SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
        return str(dig(self._entry("contexts", self.context), "context", "namespace", default=DEFAULT_NAMESPACE))

    @property
    def server(self) -> str:
        """The API server's address, "" where it is not known."""
        cluster = dig(self._entry("contexts", self.context), "context", "cluster", default="")
        return str(dig(self._entry("clusters", cluster), "cluster", "server", default=""))

    def _entry(self, section: str, name: str) -> dict[str, Any]:
        return next((entry for entry in self.content.get(section) or [] if entry.get("name") == name), {})


def load(settings: Settings, environment: Mapping[str, str] = os.environ) -> Kubeconfig:
    """Read the configuration that the settings choose; ProviderError when it can't be read or has no such context."""
    content, source = _content(settings.kubeconfig, environment)
    context = settings.context or content.get("current-context") or ""
    if not content:
        return Kubeconfig({}, "", source)
    known = [entry.get("name") for entry in content.get("contexts") or []]
    if context not in known:
        raise ProviderError(
            f"kubernetes: {source} has no context '{context}'; it has {', '.join(map(str, known)) or 'none'}. "
            "Set kubernetes:context to one of them"
        )
    if settings.cluster:
        content = {
            **content,
            "contexts": [
                {**entry, "context": {**entry["context"], "cluster": settings.cluster}}
                if entry.get("name") == context
                else entry
                for entry in content["contexts"]
            ],
        }
    return Kubeconfig(content, context, source)


def _content(given: str, environment: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    if "\n" in given or given.lstrip().startswith("{"):
        return _parsed(given, "kubernetes:kubeconfig"), "kubernetes:kubeconfig"
    named = given or environment.get("KUBECONFIG", "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part] or [
        Path("~/.kube/config").expanduser()
    ]
    found = [path for path in paths if path.exists()]
    if given and not found:
        raise ProviderError(f"kubernetes: the kubeconfig {given} does not exist")
    merged: dict[str, Any] = {}
    for path in found:
        merged = _merged(merged, _absolute(_parsed(path.read_text(), str(path)), path.parent.resolve()))
    return merged, ", ".join(map(str, paths))


def _parsed(text: str, source: str) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        # The problem's context would quote the file, which holds credentials.
        raise ProviderError(f"kubernetes: {source} is not YAML: {getattr(problem, 'problem', 'see it')}") from None
    if not isinstance(content, dict):
        raise ProviderError(f"kubernetes: {source} is no kubeconfig: it holds no fields")
    return content


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """As kubectl merges: the first file that names something wins."""
    merged = {**second, **{key: value for key, value in first.items() if value}}
    for section in ("clusters", "contexts", "users"):
        names = {entry.get("name") for entry in first.get(section) or []}
        rest = [entry for entry in second.get(section) or [] if entry.get("name") not in names]
        merged[section] = [*(first.get(section) or []), *rest]
    return merged


def _absolute(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    for section, part in (("clusters", "cluster"), ("users", "user")):
        for entry in content.get(section) or []:
            fields = entry.get(part) or {}
            fields.update({name: str(folder / fields[name]) for name in FILES if fields.get(name)})
            command = dig(fields, "exec", "command", default="")
            if "/" in command:
                fields["exec"]["command"] = str(folder / command)
    return content
