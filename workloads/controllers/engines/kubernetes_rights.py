"""What the engine on Kubernetes may do in its namespace, verb by verb: the Role that infra gives the controllers.

Secrets it writes and removes but never reads; of a Deployment it changes nothing but the number of its replicas.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Right:
    """One rule of a Role."""

    group: str
    resource: str
    verbs: tuple[str, ...]


RIGHTS: Final = (
    Right("", "pods", ("list", "watch", "patch", "delete")),
    Right("", "pods/log", ("get",)),
    Right("", "events", ("list", "watch")),
    Right("", "secrets", ("create", "delete")),
    Right("", "services", ("create", "delete")),
    Right("batch", "jobs", ("create", "list", "watch", "patch", "delete")),
    Right("apps", "deployments", ("create", "list", "watch", "delete")),
    Right("apps", "deployments/scale", ("patch",)),
)
