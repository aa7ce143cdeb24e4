"""Who may talk to the API server: the controllers, in their namespace, with just the verbs that their engine uses."""

from typing import Any, Final

import pulumi
from pulumi_kubernetes.core import v1 as core
from pulumi_kubernetes.rbac import v1 as rbac

from infra.backends.kubernetes.namespace import Home
from workloads.controllers.engines.kubernetes_rights import RIGHTS

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
    """The Role's rules: the engine itself says what it calls."""
    return [{"apiGroups": [each.group], "resources": [each.resource], "verbs": list(each.verbs)} for each in RIGHTS]
