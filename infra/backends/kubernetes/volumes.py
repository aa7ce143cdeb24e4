"""Volumes: claims of persistent storage, one for each VolumeSpec."""

from typing import Any

import pulumi
from pulumi_kubernetes.core import v1 as core

from infra.backends.base import VolumeSpec
from infra.backends.kubernetes.namespace import Home
from workloads import contract


def create(home: Home, spec: VolumeSpec, opts: pulumi.ResourceOptions) -> core.PersistentVolumeClaim:
    """The claim; bound once the first pod with it has a node, where the storage class waits for that."""
    size = home.cluster.volumes.get(spec.name, spec.size_gib)
    shared = spec.name == contract.OBJECT_STORE_HOST  # whose folders jobs have under /gcs
    wanted: Any = {
        "accessModes": [home.cluster.access_mode if shared else "ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{size}Gi"}},
    }
    if home.cluster.storage_class:
        wanted["storageClassName"] = home.cluster.storage_class
    metadata = home.metadata("volume", spec.name)
    return core.PersistentVolumeClaim(spec.name, metadata=metadata, spec=wanted, opts=home.options(opts))
