"""Pods in Kubernetes' own form: what every pod of a stack gets, whether a service, a job or a model server. Pure.

Called by infra's Kubernetes backend and by the controllers' engine, so both make the same. Every pod meets Pod Security
"restricted". Quantities are spelled as the API server spells them, so that nothing differs when it is read back.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

from workloads import contract
from workloads.config import AcceleratorType, ClusterConfig
from workloads.plans.container import INDEX, ContainerSpec, Group, Mount, Placement, Probe, Resources

Json = dict[str, Any]
LABEL_VALUE: Final = re.compile(r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")
NETWORK_PREFIX: Final = "cairn.network/"
REPLICA_DOMAIN: Final = "workloads"  # the headless Service that gives a job's containers their host names
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  a folder in the pod
MODE_SECRET: Final = 0o440  # by the pod's group: Kubernetes owns these files as root
LIVENESS: Final = {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6}


def label_value(value: str) -> str:
    """The value, or a hash of one that Kubernetes takes for no label."""
    return value if LABEL_VALUE.match(value) else f"h-{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def labelled(labels: Mapping[str, str]) -> Json:
    """Metadata with these labels; what is no label's value is whole in an annotation of the same key."""
    metadata: Json = {"labels": {key: label_value(value) for key, value in sorted(labels.items())}}
    whole = {key: value for key, value in sorted(labels.items()) if label_value(value) != value}
    return {**metadata, "annotations": whole} if whole else metadata


def network_label(network: str) -> dict[str, str]:
    """What a pod on a contract network is labelled with; NetworkPolicies go by it."""
    return {f"{NETWORK_PREFIX}{network}": "true"}


def networks(spec: ContainerSpec) -> dict[str, str]:
    """The labels of the networks that a planned container is on."""
    out = network_label(contract.NETWORK_EGRESS) if spec.egress else {}
    return {**network_label(spec.network), **out}


def literal(text: str) -> str:
    """The text so that Kubernetes leaves it alone: plans have expanded `$(NAME)` and `$$`, which it would once more."""
    return text.replace("$", "$$")


def cpu(cores: float) -> str:
    """Cores as a quantity."""
    milli = max(1, round(cores * 1000))
    return f"{milli // 1000}" if milli % 1000 == 0 else f"{milli}m"


def memory(mib: int) -> str:
    """Memory as a quantity."""
    return f"{mib // 1024}Gi" if mib % 1024 == 0 else f"{mib}Mi"


def resources(limits: Resources, accelerators: Mapping[str, AcceleratorType], cpu_share: float = 1.0) -> Json:
    """Limits, and as much requested; of the cores only this share."""
    gpus = {accelerators[limits.gpu_type].resource: str(limits.gpus)} if limits.gpus else {}
    wanted = {"memory": memory(limits.memory_mib), **gpus}
    # Logs and what a container writes beside its volumes; a limit alone would be reserved on the node as well.
    disk = {"ephemeral-storage": memory(limits.disk_mib)} if limits.disk_mib else {}
    return {
        "limits": {"cpu": cpu(limits.cpu), **wanted, **disk},
        "requests": {"cpu": cpu(limits.cpu * cpu_share), **wanted, **dict.fromkeys(disk, "0")},
    }


def pod_security(user: str, seccomp_profile: str = "") -> Json:
    """The pod's security context: this "uid:gid", never root, no system call but the usual ones."""
    uid, _, gid = user.partition(":")
    group = int(gid or uid)
    profile = {"type": "Localhost", "localhostProfile": seccomp_profile} if seccomp_profile else {}
    return {
        "runAsNonRoot": True,
        "runAsUser": int(uid),
        "runAsGroup": group,
        "fsGroup": group,
        "fsGroupChangePolicy": "OnRootMismatch",  # else PostgreSQL's own modes would be undone at every start
        "seccompProfile": profile or {"type": "RuntimeDefault"},
    }


def container_security(read_only_root: bool) -> Json:
    """The container's: no rights, no way to more."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": read_only_root,
    }


def scratch(folders: Mapping[str, int]) -> tuple[list[Json], list[Json]]:
    """Volumes and mounts of folders in memory, MiB each."""
    names = {path: path.strip("/").replace("/", "-").replace(".", "-") for path in sorted(folders)}
    volumes = [
        {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": memory(folders[path])}}
        for path, name in names.items()
    ]
    return volumes, [{"name": name, "mountPath": path} for path, name in names.items()]


def secret_files(secret: str, folders: Mapping[str, Mapping[str, str]]) -> tuple[list[Json], list[Json]]:
    """Volumes and mounts of a Secret's files: folder → file name → the Secret's key."""
    volumes, mounts = [], []
    for number, (folder, files) in enumerate(sorted(folders.items())):
        items = [{"key": files[name], "path": name} for name in sorted(files)]
        source = {"secretName": secret, "defaultMode": MODE_SECRET, "items": items}
        volumes.append({"name": f"files-{number}", "secret": source})
        mounts.append({"name": f"files-{number}", "mountPath": folder, "readOnly": True})
    return volumes, mounts


def claims(mounts: tuple[Mount, ...]) -> tuple[list[Json], list[Json]]:
    """Volumes and mounts of PersistentVolumeClaims, each claim once, folders of it as often as wanted."""
    names = sorted({mount.volume for mount in mounts})
    volumes = [{"name": f"volume-{name}", "persistentVolumeClaim": {"claimName": name}} for name in names]
    return volumes, [
        {
            "name": f"volume-{mount.volume}",
            "mountPath": mount.target,
            **({"subPath": mount.subpath} if mount.subpath else {}),
            **({"readOnly": True} if mount.read_only else {}),
        }
        for mount in mounts
    ]


def probes(probe: Probe | None) -> Json:
    """Ready when the probe says so; alive while the port accepts, since a restart mends nothing that others lack."""
    if probe is None:
        return {}
    accepts = {"tcpSocket": {"port": probe.port}}
    answers = {"httpGet": {"path": probe.path, "port": probe.port}} if probe.path else accepts
    patience = {"timeoutSeconds": round(probe.timeout_s)}
    period = max(1, round(probe.period_s))
    return {
        "startupProbe": {**accepts, **patience, "periodSeconds": 1, "failureThreshold": probe.start_within_s},
        "readinessProbe": {**answers, **patience, "periodSeconds": period, "failureThreshold": probe.failures},
        "livenessProbe": {**accepts, **LIVENESS},
    }


def placement(wanted: Placement, beside: Mapping[str, str]) -> Json:
    """Which nodes: those that the machine type names, and the one of the pod with these labels."""
    tolerations = [
        {
            **{
                key: value
                for key, value in (("key", each.key), ("value", each.value), ("effect", each.effect))
                if value
            },
            "operator": each.operator,
            **({"tolerationSeconds": each.seconds} if each.seconds is not None else {}),
        }
        for each in wanted.tolerations
    ]
    term = {"labelSelector": {"matchLabels": dict(beside)}, "topologyKey": "kubernetes.io/hostname"}
    near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {
        **({"nodeSelector": dict(wanted.node_selector)} if wanted.node_selector else {}),
        **({"tolerations": tolerations} if tolerations else {}),
        **({"affinity": near} if beside else {}),
    }


def file_folders(spec: ContainerSpec) -> dict[str, dict[str, str]]:
    """Folder → file name → key in the Secret (`file_key`), of the files of a planned container."""
    folders: dict[str, dict[str, str]] = {}
    for path in sorted(spec.files):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, {})[name] = file_key(path)
    return folders


def file_key(path: str) -> str:
    """A file's key in its group's Secret."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.strip("/"))


def planned(
    spec: ContainerSpec, image: Any, secret: str, cluster: ClusterConfig, accelerators: Mapping[str, AcceleratorType]
) -> Json:
    """The PodSpec of a planned container.

    Args:
        image: the reference to pull; anything that becomes a text (infra has it later).
        secret: the Secret with the spec's files, by `file_key`.
    """
    half = {SHARED_MEMORY: spec.resources.memory_mib // 2}  # counts as memory; 64 MiB are too little for data loaders
    parts = (scratch({**spec.tmpfs, **half}), secret_files(secret, file_folders(spec)), claims(spec.mounts))
    container = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        **({"command": [literal(each) for each in spec.command]} if spec.command else {}),
        **({"args": [literal(each) for each in spec.args]} if spec.args else {}),
        "env": [{"name": key, "value": literal(spec.env[key])} for key in sorted(spec.env)],
        "resources": resources(spec.resources, accelerators, cluster.cpu_requests),
        "securityContext": container_security(spec.read_only_root),
        "volumeMounts": [mount for _, mounts in parts for mount in mounts],
        **probes(spec.probe),
    }
    beside = {contract.LABEL_NAME: cluster.beside} if cluster.beside and spec.mounts else {}
    priority = cluster.servers_priority if spec.restart == "always" else cluster.jobs_priority
    return {
        **shared(cluster.pull_secret, priority, spec.stop_grace_s),
        # As Docker's init: the pod's first process reaps orphans, and SIGTERM ends a program that does not handle it.
        "shareProcessNamespace": True,
        "securityContext": pod_security(spec.user, cluster.seccomp_profile if spec.mounts else ""),
        "volumes": [volume for volumes, _ in parts for volume in volumes],
        "containers": [container],
        **placement(spec.placement, beside),
    }


def server_labels(group: Group) -> dict[str, str]:
    """The labels that all of a group's pods have: not their number, which a Deployment's pods have none of."""
    return {key: value for key, value in group.template.labels.items() if INDEX not in value}


def shared(pull_secret: str, priority: str, stop_grace_s: int) -> Json:
    """What is the same in every PodSpec: no token of the API server, no variables of other Services."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": stop_grace_s,
        **({"priorityClassName": priority} if priority else {}),
        **({"imagePullSecrets": [{"name": pull_secret}]} if pull_secret else {}),
    }
