"""Who may talk to the API server: the controllers, in their namespace, with just the verbs that their engine uses."""

from typing import Any, Final

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.rbac import v1 as rbac

from infra.backends.kubernetes.namespace import Home

# API group, resources, verbs: what workloads/controllers/engines/kubernetes*.py calls, and nothing else.
RULES: Final[tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...]] = (
    ("", ("pods",), ("delete", "get", "list", "watch")),
    ("", ("pods/log",), ("get",)),
    ("", ("secrets",), ("create", "delete", "patch")),
    ("", ("services",), ("create", "delete", "get", "patch")),
    ("", ("events",), ("list", "watch")),
    ("apps", ("deployments",), ("create", "delete", "get", "list", "patch", "watch")),
    ("batch", ("jobs",), ("create", "delete", "get", "list", "patch", "watch")),
)
GROUP: Final = "rbac.authorization.k8s.io"


def create(home: Home, name: str, kind: str, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
    """ServiceAccount, Role and RoleBinding of this name."""
    metadata = home.metadata(kind, name)
    reference: Any = {"apiGroup": GROUP, "kind": "Role", "name": name}
    subject: Any = {"kind": "ServiceAccount", "name": name, "namespace": metadata["namespace"]}
    own = home.options(opts)
    return [
        core.ServiceAccount(name, metadata=metadata, automount_service_account_token=False, opts=own),
        rbac.Role(name, metadata=metadata, rules=rules(), opts=own),
        rbac.RoleBinding(name, metadata=metadata, role_ref=reference, subjects=[subject], opts=own),
    ]


def rules() -> Any:
    """The Role's rules."""
    return [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)} for group, resources, verbs in RULES
    ]
