"""A cluster beside the one that stacks use, and a namespace in it with pods of the base image."""

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

from toolchain.cluster.layout import Layout

SECONDS = 60.0
USER = 10001
SERVER = "from http.server import *; HTTPServer(('', 8080), SimpleHTTPRequestHandler).serve_forever()"


def until(what: str, found: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """What it finds, once it finds something."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.2)
    return value


def fetch(url: str) -> str:
    """What a server on this machine says; empty when it doesn't."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


@dataclass
class Lab:
    """A namespace under Pod Security "restricted"."""

    layout: Layout
    image: str
    namespace: str
    core: client.CoreV1Api = field(init=False)
    api: client.ApiClient = field(init=False)

    def __post_init__(self) -> None:
        self.api = config.new_client_from_config(str(self.layout.kubeconfig))
        self.core = client.CoreV1Api(self.api)
        enforce = {"pod-security.kubernetes.io/enforce": "restricted"}
        self.core.create_namespace({"metadata": {"name": self.namespace, "labels": enforce}})

    def pod_spec(self, command: list[str], volumes: dict[str, str] | None = None) -> dict[str, Any]:
        """A pod that the restricted standard admits; volumes are claims by where they are mounted."""
        mounts = [{"name": claim, "mountPath": path} for path, claim in (volumes or {}).items()]
        claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in (volumes or {}).values()]
        container = {
            "name": "main",
            "image": self.image,
            "command": command,
            "volumeMounts": mounts,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
        return {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "fsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [container],
            "volumes": claims,
        }

    def pod(self, name: str, spec: dict[str, Any], **labels: str) -> None:
        """Make a pod and wait until it runs."""
        self.begin(name, spec, **labels)
        until(f"pod {name} running", lambda: self.phase(name) == "Running")

    def begin(self, name: str, spec: dict[str, Any], **labels: str) -> None:
        """Make a pod."""
        body = {"metadata": {"name": name, "labels": {"app": name, **labels}}, "spec": spec}
        # A namespace is a moment older than its service account.
        until(f"pod {name} made", lambda: self._created(body))

    def address(self, name: str) -> str:
        """A pod's."""
        return str(self.core.read_namespaced_pod(name, self.namespace).status.pod_ip)

    def log(self, name: str) -> str:
        """What a pod has printed; nothing before it runs."""
        if self.phase(name) == "Pending":
            return ""
        answer = self.core.read_namespaced_pod_log(name, self.namespace, _preload_content=False)
        return str(answer.data.decode())

    def _created(self, body: dict[str, Any]) -> bool:
        try:
            self.core.create_namespaced_pod(self.namespace, body)
        except ApiException as problem:
            if "serviceaccount" in str(problem.body):
                return False
            raise
        return True

    def phase(self, name: str) -> str:
        """Where a pod is."""
        return str(self.core.read_namespaced_pod(name, self.namespace).status.phase)

    def run(self, pod: str, *command: str) -> str:
        """What a command in a pod prints, its errors too."""
        options = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
        connect = self.core.connect_get_namespaced_pod_exec
        with closing(stream(connect, pod, self.namespace, command=list(command), **options)) as said:
            said.run_forever(timeout=SECONDS)
            return str(said.read_all())

    def fetch(self, pod: str, url: str) -> str:
        """What a server says to a pod."""
        script = f"import urllib.request as u; print(u.urlopen({url!r}, timeout=3).read().decode())"
        return self.run(pod, "python3", "-c", script)

    def service(self, name: str, port: int | None = None) -> str:
        """Make a Service before the pod of that name, on a node port if one is given; returns its address."""
        ports = {"port": 80, "targetPort": 8080, **({"nodePort": port} if port else {})}
        spec = {"selector": {"app": name}, "type": "NodePort" if port else "ClusterIP", "ports": [ports]}
        made = self.core.create_namespaced_service(self.namespace, {"metadata": {"name": name}, "spec": spec})
        return str(made.spec.cluster_ip)

    def remove(self) -> None:
        """Remove the namespace and wait until it is gone."""
        self.core.delete_namespace(self.namespace)
        until(f"namespace {self.namespace} gone", lambda: self.namespace not in self._namespaces())
        self.api.close()
        self.api.rest_client.pool_manager.clear()  # its connections, which close() leaves

    def _namespaces(self) -> list[str]:
        return [each.metadata.name for each in self.core.list_namespace().items]
