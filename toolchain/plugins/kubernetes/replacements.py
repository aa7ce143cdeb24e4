"""Which changes need a new object: what the API never changes in place, kind by kind, and what it refused in a dry run.

The lists are those that the official provider documents; the API server's own refusals add what they miss.
"""

from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.connection import RefusedError
from toolchain.plugins.kubernetes.differences import Difference, covers, parsed
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import Path
from toolchain.plugins.kubernetes.settings import Settings

IDENTITY = ("metadata.name", "metadata.namespace")
CONTAINER = (
    "args",
    "command",
    "env",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
)
POD = (
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostname",
    "imagePullSecrets",
    "nodeName",
    "nodeSelector",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "volumes",
    *(f"{containers}[*].{field}" for containers in ("containers", "initContainers") for field in CONTAINER),
)
VOLUME_SOURCES = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "glusterfs",
    "hostPath",
    "iscsi",
    "local",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "rbd",
    "scaleIO",
    "storageos",
    "vsphereVolume",
]
SPEC_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("apps", "DaemonSet"): ("selector",),
    ("apps", "Deployment"): ("selector",),
    ("apps", "StatefulSet"): (
        "podManagementPolicy",
        "revisionHistoryLimit",
        "selector",
        "serviceName",
        "volumeClaimTemplates",
    ),
    ("batch", "Job"): ("completions", "parallelism", "selector", "template"),
    ("", "PersistentVolume"): tuple(VOLUME_SOURCES),
    ("", "PersistentVolumeClaim"): ("accessModes", "selector", "storageClassName", "volumeName"),
    ("", "Pod"): POD,
    ("", "ResourceQuota"): ("scopes",),
    ("", "Service"): ("clusterIP",),
}
OTHER_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("", "Secret"): ("type",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner"),
}
# How the API server says that a field can't be changed in place.
REFUSALS = (
    "field is immutable",
    "is immutable after creation",
    "may not change once set",
    "can not be changed",
    "cannot change roleRef",
    "fields other than",  # "updates to statefulset spec for fields other than …", "pod updates may not change …"
)
# Replacing these loses what they hold, so only the documented fields do; any other refusal stays an error.
HOLDING_DATA = frozenset({"PersistentVolumeClaim", "PersistentVolume", "Namespace", "CustomResourceDefinition"})


def replacing(found: list[Difference], kind: Kind, inputs: Properties, settings: Settings) -> list[Difference]:
    """Those of the differences that the kind's lists say can't be made in place."""
    patterns = [parsed(text) for text in _fields(kind, inputs, settings)]
    return [d for d in found if any(_touches(pattern, d.path) for pattern in patterns)]


def refused(found: list[Difference], kind: Kind, refusal: RefusedError) -> list[Difference]:
    """Those of the differences that the API server refused as immutable; none when it refused for another reason."""
    if kind.name in HOLDING_DATA or kind.patch:
        return []
    causes = [cause for cause in refusal.causes if _immutable(str(cause.get("message", "")))]
    if not causes:
        return list(found) if _immutable(refusal.message) else []
    patterns = [parsed(str(cause.get("field", ""))) for cause in causes]
    return [d for d in found if any(_touches(pattern, d.path) for pattern in patterns)] or list(found)


def _fields(kind: Kind, inputs: Properties, settings: Settings) -> tuple[str, ...]:
    if kind.patch:
        return IDENTITY
    key = (kind.group, kind.name)
    fields = (*IDENTITY, *(f"spec.{field}" for field in SPEC_FIELDS.get(key, ())), *OTHER_FIELDS.get(key, ()))
    immutable = inputs.get("immutable") is True
    if key == ("", "ConfigMap") and (immutable or not settings.mutable_config_maps):
        fields += ("binaryData", "data")
    if key == ("", "Secret") and (immutable or not settings.mutable_secrets):
        fields += ("data", "stringData")
    return fields


def _touches(pattern: Path, path: Path) -> bool:
    """Whether a change at the path is one of what the pattern names: at it, below it, or around it."""
    return covers(pattern, path) or (len(path) > 1 and covers(path, pattern))


def _immutable(message: str) -> bool:
    return any(words in message for words in REFUSALS)
