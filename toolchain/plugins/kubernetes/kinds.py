"""Which kind of object a resource is, from its type token and inputs, without asking the cluster.

A token names the API group in full (`kubernetes:apps/v1:Deployment`), the core group as `core`. What has no place on an
API server (Helm, kustomize, manifests rendered by the plugin) is refused here, in plain words.
"""

from dataclasses import dataclass

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties

# The groups that every cluster has; the SDK has classes for their kinds.
BUILT_IN_GROUPS = frozenset(
    {"", "apps", "autoscaling", "batch", "events.k8s.io", "extensions", "policy"}
    | {
        f"{group}.k8s.io"
        for group in (
            "admissionregistration",
            "apiextensions",
            "apiregistration",
            "auditregistration",
            "authentication",
            "authorization",
            "certificates",
            "coordination",
            "discovery",
            "flowcontrol.apiserver",
            "internal.apiserver",
            "meta",
            "networking",
            "node",
            "rbac.authorization",
            "resource",
            "scheduling",
            "settings",
            "storage",
            "storagemigration",
        )
    }
)
# The kinds of those groups that have no namespace.
CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "ComponentStatus",
        "CustomResourceDefinition",
        "DeviceClass",
        "DeviceTaintRule",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "StorageVersion",
        "StorageVersionMigration",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
REFUSED = {
    "kubernetes:helm.sh/": "Helm charts and releases: render the chart (`helm template`) and declare it with "
    "pulumi_kubernetes.yaml.ConfigFile",
    "kubernetes:helm:": "Helm charts: render the chart (`helm template`) and declare it with "
    "pulumi_kubernetes.yaml.ConfigFile",
    "kubernetes:kustomize": "kustomize: run `kubectl kustomize` and declare its output with "
    "pulumi_kubernetes.yaml.ConfigFile",
    "kubernetes:yaml/v2": "the components of yaml/v2: use pulumi_kubernetes.yaml.ConfigFile and ConfigGroup",
}
OFFICIAL = "The official plugin kubernetes 4.34.2 has them."


@dataclass(frozen=True)
class Kind:
    """A kind of object at an API version; `patch` for resources that own only some fields of somebody's object."""

    group: str
    version: str
    name: str
    patch: bool = False

    @property
    def api_version(self) -> str:
        """As an object names it: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def built_in(self) -> bool:
        """Whether every cluster has it."""
        return self.group in BUILT_IN_GROUPS

    @property
    def namespaced(self) -> bool | None:
        """Whether its objects lie in a namespace; None where only the cluster knows."""
        return self.name not in CLUSTER_SCOPED if self.built_in else None

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.api_version} {self.name}"


def kind_of(token: str, *sources: Properties) -> Kind:
    """The kind of a resource: as its inputs or state say, else as its token says."""
    refuse_what_is_not_here(token)
    _, group_version, name = token.split(":", 2)
    api_version = group_version.removeprefix("core/")
    for source in sources:
        if isinstance(source.get("kind"), str) and isinstance(source.get("apiVersion"), str):
            kind = source["kind"]
            return parse_kind(source["apiVersion"], kind, patch=name == f"{kind}Patch")
    return parse_kind(api_version, name)


def parse_kind(api_version: str, name: str, patch: bool = False) -> Kind:
    """A kind from an object's own words."""
    group, _, version = api_version.rpartition("/")
    return Kind(group, version, name, patch)


def refuse_what_is_not_here(token: str) -> None:
    """Raise ProviderError for types and functions that are not objects of an API server."""
    for prefix, what in REFUSED.items():
        if token.startswith(prefix):
            raise ProviderError(f"Cairn's kubernetes plugin has no {token}. It does not do {what}. {OFFICIAL}")
    _, group_version, name = token.split(":", 2)
    if name.endswith("List") and parse_kind(group_version.removeprefix("core/"), name).built_in:
        raise ProviderError(f"{token}: lists can't be created; declare the objects in it one by one")
