"""What the rules can't see whole, they can't judge: it is declared in another way."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from policies.reading.kubernetes import GROUPS, group_of, is_a, kind_of
from policies.reading.workloads import Properties
from policies.rules.making import Check, Config, resource_rule, texts

JUDGED: Final = [
    *("ClusterRole", "ClusterRoleBinding", "ConfigMap", "CronJob", "DaemonSet", "Deployment", "Ingress", "Job"),
    *("Namespace", "NetworkPolicy", "Pod", "PodTemplate", "ReplicaSet", "ReplicationController", "Role"),
    *("RoleBinding", "Service", "StatefulSet"),
]
RELEASE: Final = "Release"
JUDGED_GROUPS: Final = (*GROUPS, "networking.k8s.io", "rbac.authorization.k8s.io")


def whole(kind: str, _: Properties, config: Config) -> Iterator[str]:
    """Neither a patch of a judged object, nor a list of several, nor a chart that the cluster's side unpacks."""
    if kind in config["allowedKinds"]:
        return
    judged = kind.removesuffix("Patch").removesuffix("List")
    if kind == RELEASE:
        yield "is a Helm release, whose objects no policy sees; declare them one by one"
    elif judged in JUDGED and kind.endswith("Patch"):
        yield f"is only a part of a {judged}; declare the whole object (`pulumi import` takes it over)"
    elif judged in JUDGED and kind.endswith("List"):
        yield f"is several objects in one; declare each {judged} by itself"


def _check(resource_type: str) -> Check | None:
    judged = group_of(resource_type) in JUDGED_GROUPS or is_a(resource_type, "helm.sh", RELEASE)
    return partial(whole, kind_of(resource_type)) if judged else None


RULES: Final = (
    resource_rule(
        "whole-objects",
        "A cluster's objects are declared whole and one by one, so that every rule sees them.",
        _check,
        config={"allowedKinds": texts([], "kinds such as NamespacePatch that may be declared nonetheless")},
    ),
)
