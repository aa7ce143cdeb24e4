"""Rights in the cluster: named one by one, inside the namespace, and none that would give away all the others."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from policies.reading.kubernetes import is_a, kind_of, metadata_of
from policies.reading.workloads import Properties
from policies.rules.making import Check, Config, resource_rule, texts

GROUP: Final = "rbac.authorization.k8s.io"
# Who may do these makes himself whatever he likes.
GIVING: Final = ("escalate", "bind", "impersonate")
# What is as good as being in every container, on every node, or any account.
GATES: Final = (
    "nodes/proxy",
    "pods/attach",
    "pods/ephemeralcontainers",
    "pods/exec",
    "pods/portforward",
    "pods/proxy",
    "serviceaccounts/token",
    "services/proxy",
)
READING: Final = ("get", "list", "watch")
BROAD_ROLES: Final = ["cluster-admin", "admin", "edit"]
EVERYBODY: Final = (
    "system:anonymous",
    "system:authenticated",
    "system:masters",
    "system:serviceaccounts",
    "system:unauthenticated",
)


def role(kind: str, props: Properties, config: Config) -> Iterator[str]:
    """The rights are a list of verbs on a list of resources, and harmless."""
    name = str(metadata_of(props).get("name") or "")
    if kind == "ClusterRole" and name not in config["clusterRoles"]:
        allowed = f'"{{"clusterRoles": ["{name or "…"}"]}}" in the policy config'
        yield f"gives rights in every namespace; make it a Role in the stack's own, or name it: {allowed}"
    if props.get("aggregationRule"):
        yield "takes over the rights of other roles; remove aggregationRule and list the verbs in rules"
    for number, rights in enumerate(props.get("rules") or ()):
        place = f"rules[{number}]"
        yield from _wildcards(place, rights)
        yield from _gates(place, rights)
        secrets = "secrets" in (rights.get("resources") or ()) and set(READING) & set(rights.get("verbs") or ())
        if kind == "ClusterRole" and secrets:
            remedy = "move it to a Role in the namespace whose secrets are meant"
            yield f"{place} reads every secret of the cluster ({_list(secrets)}); {remedy}"


def _wildcards(place: str, rights: Properties) -> Iterator[str]:
    for field in ("verbs", "resources", "apiGroups", "nonResourceURLs"):
        if any("*" in each for each in rights.get(field) or ()):
            yield f'{place}.{field} has "*"; list them one by one'


def _gates(place: str, rights: Properties) -> Iterator[str]:
    if verbs := set(GIVING) & set(rights.get("verbs") or ()):
        yield f"{place} may {_list(verbs)}, which is a way to every right; remove it from {place}.verbs"
    if gates := set(GATES) & set(rights.get("resources") or ()):
        yield f"{place} opens {_list(gates)}, a way into others' processes; remove it from {place}.resources"


def binding(kind: str, props: Properties, config: Config) -> Iterator[str]:
    """A role is bound inside the namespace, to accounts that only those have who need it."""
    reference = props.get("roleRef") or {}
    name = str(reference.get("name") or "")
    if name in config["broadRoles"] and reference.get("kind") == "ClusterRole":
        yield f"binds {name}; bind a Role that lists the verbs one by one instead"
    elif kind == "ClusterRoleBinding" and name not in config["clusterRoles"]:
        allowed = f'{{"clusterRoles": ["{name}"]}} in the policy config'
        yield f"gives the rights of {name} in every namespace; use a RoleBinding, or name the role: {allowed}"
    for subject in props.get("subjects") or ():
        who = str(subject.get("name") or "")
        if who in EVERYBODY or who.startswith("system:serviceaccounts:"):
            yield f"gives rights to {who}, which is everybody; name the ServiceAccount that needs them"
        elif who == "default" and subject.get("kind") == "ServiceAccount":
            yield "gives rights to the account of every pod that names none; make a ServiceAccount of its own"


def _list(words: set[str]) -> str:
    return ", ".join(sorted(words))


def _role_check(resource_type: str) -> Check | None:
    kind = kind_of(resource_type)
    return partial(role, kind) if is_a(resource_type, GROUP, "Role", "ClusterRole") else None


def _binding_check(resource_type: str) -> Check | None:
    kind = kind_of(resource_type)
    return partial(binding, kind) if is_a(resource_type, GROUP, "RoleBinding", "ClusterRoleBinding") else None


CLUSTER_ROLES: Final = texts([], "cluster roles that a stack may make and bind")

RULES: Final = (
    resource_rule(
        "rbac-least-rights",
        "Roles list their rights one by one, inside the namespace, and none that gives away others.",
        _role_check,
        config={"clusterRoles": CLUSTER_ROLES},
    ),
    resource_rule(
        "rbac-narrow-bindings",
        "Roles are bound inside the namespace, to accounts of their own.",
        _binding_check,
        config={
            "clusterRoles": CLUSTER_ROLES,
            "broadRoles": texts(BROAD_ROLES, "cluster roles that nobody is given"),
        },
    ),
)
