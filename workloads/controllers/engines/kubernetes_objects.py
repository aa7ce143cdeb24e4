"""A Group as Kubernetes' objects: the pure half of what kubernetes.py makes. Pods are those of plans/pods.py.

- restart="never": an Indexed Job. Each index is tried once (backoffLimitPerIndex 0), and one that fails leaves the
  others alone: a Job with just backoffLimit 0 deletes them, with what they have printed. The controllers try again.
- restart="always": a Deployment, and a Service of the group's name.
- Its files: a Secret that the Job or Deployment owns, so whoever removes that removes it. The owner is made first; the
  kubelet waits for a Secret that is not there yet. The other way round, a controller killed between the two would leave
  a Secret with a token behind that nobody knows of.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from workloads import contract
from workloads.config import AcceleratorType, ClusterConfig
from workloads.plans import names, pods
from workloads.plans.container import INDEX, ContainerSpec, Group
from workloads.plans.pods import Json

INDEX_VARIABLE: Final = "CAIRN_REPLICA_INDEX"
INDEX_REFERENCE: Final = f"$({INDEX_VARIABLE})"  # in env Kubernetes fills it in, in annotations kubernetes_state does
INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"
JOB_LABEL: Final = "batch.kubernetes.io/job-name"


@dataclass(frozen=True)
class Place:
    """Where a stack's groups run."""

    stack: str
    cluster: ClusterConfig
    accelerators: Mapping[str, AcceleratorType]


def secret_name(group: str) -> str:
    """The Secret with the group's files."""
    return f"{group}-files"


def selector(group: str, place: Place) -> dict[str, str]:
    """The labels by which the group's pods are found."""
    return {contract.LABEL_STACK: place.stack, contract.LABEL_NAME: group}


def check_subpaths(spec: ContainerSpec) -> None:
    """Refuse a folder name that could lead out of the volume.

    Raises:
        ValueError: it is not a plain bucket name.
    """
    for mount in spec.mounts:
        if mount.subpath and not names.is_bucket(mount.subpath):
            raise ValueError(f"{mount.subpath!r} is not a bucket's name, so it is not mounted")


def job(group: Group, place: Place) -> Json:
    """The Job of a group whose containers are not restarted."""
    spec = {
        **_pod_spec(group, place),
        "restartPolicy": "Never",
        "subdomain": pods.REPLICA_DOMAIN,  # with the Job's own "<job>-<index>" as host name
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": group.name, **_metadata(group, place)},
        "spec": {
            "completionMode": "Indexed",
            "completions": group.replicas,
            "parallelism": group.replicas,
            "backoffLimitPerIndex": 0,
            "podReplacementPolicy": "Failed",  # so never two pods of one index
            "template": {"metadata": _metadata(group, place, in_pod=True), "spec": spec},
        },
    }


def deployment(group: Group, place: Place) -> Json:
    """The Deployment of servers."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": group.name, **_metadata(group, place)},
        "spec": {
            "replicas": group.replicas,
            "selector": {"matchLabels": selector(group.name, place)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "revisionHistoryLimit": 0,
            "template": {
                "metadata": _metadata(group, place, in_pod=True),
                "spec": {**_pod_spec(group, place), "restartPolicy": "Always"},
            },
        },
    }


def service(group: Group, place: Place, owner: Json) -> Json | None:
    """The address that servers share; None for those that no probe says the port of."""
    probe = group.template.probe
    if probe is None:
        return None
    metadata = {"name": group.name, **_metadata(group, place), "ownerReferences": [_reference(owner)]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "selector": selector(group.name, place),
            "ports": [{"name": "http", "port": probe.port, "targetPort": probe.port}],
        },
    }


def secret(group: Group, place: Place, owner: Json) -> Json | None:
    """The group's files; None when it has none."""
    files = group.template.files
    if not files:
        return None
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": secret_name(group.name),
            **_metadata(group, place),
            "ownerReferences": [_reference(owner)],
        },
        "stringData": {pods.file_key(path): text for path, text in sorted(files.items())},
        "immutable": group.template.restart != "always",  # servers outlive the key that their token is signed with
    }


def _reference(owner: Json) -> Json:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }


def _metadata(group: Group, place: Place, *, in_pod: bool = False) -> Json:
    """Labels, and annotations for what is no label: long values, and those that tell a replica's number."""
    labels = {
        **group.template.labels,
        **selector(group.name, place),
        contract.LABEL_MANAGED_BY: contract.MANAGED_BY_CONTROLLERS,
        **(pods.networks(group.template) if in_pod else {}),
    }
    numbered = {key: value.replace(INDEX, INDEX_REFERENCE) for key, value in labels.items() if INDEX in value}
    metadata = pods.labelled({key: value for key, value in labels.items() if key not in numbered})
    annotations = {**metadata.get("annotations", {}), **numbered}
    return {**metadata, "annotations": annotations} if annotations else metadata


def _pod_spec(group: Group, place: Place) -> Json:
    spec = group.template
    planned = pods.planned(spec, spec.image, secret_name(group.name), place.cluster, place.accelerators)
    [container] = planned["containers"]
    return {**planned, "containers": [{**container, "env": _numbered(container["env"])}]}


def _numbered(env: list[Json]) -> list[Json]:
    """The variables with the replica's number in place of INDEX; Kubernetes fills in only what stands before."""
    if not any(INDEX in each["value"] for each in env):
        return env
    source = {"fieldRef": {"fieldPath": f"metadata.annotations['{INDEX_LABEL}']", "apiVersion": "v1"}}
    known = {"name": INDEX_VARIABLE, "valueFrom": source}
    return [known, *({**each, "value": each["value"].replace(INDEX, INDEX_REFERENCE)} for each in env)]


def with_mounts_of(group: Group, buckets: frozenset[str]) -> Group:
    """The group with only those folders mounted that are there: the kubelet would make the others, and so buckets."""
    mounts = tuple(each for each in group.template.mounts if not each.subpath or each.subpath in buckets)
    return replace(group, template=replace(group.template, mounts=mounts))
