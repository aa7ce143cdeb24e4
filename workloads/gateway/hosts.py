"""Host names as HAProxy's own resolver needs them: it asks for a name as it stands, and never adds a search domain.

Docker's DNS server knows a stack's short names. In a pod they are short for names in the namespace's domain.
"""

from collections.abc import Mapping
from typing import Final

IN_A_POD: Final = "KUBERNETES_SERVICE_HOST"  # in every pod's environment


def domain(environ: Mapping[str, str], resolv_conf: str) -> str:
    """The namespace's domain, which the kubelet writes first into a pod's resolv.conf; "" outside of pods."""
    if IN_A_POD not in environ:
        return ""
    lines = (line.split() for line in resolv_conf.splitlines())
    return next((words[1] for words in lines if words[:1] == ["search"] and len(words) > 1), "")


def whole(server: str, domain: str) -> str:
    """A server's "host:port" with the domain behind a short name."""
    host, _, port = server.rpartition(":")
    return f"{host}.{domain}:{port}" if domain and "." not in host else server
