"""Who owns which fields of an object: the API server's managedFields, and conflicts over them in words."""

import hashlib
from typing import Any

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import Properties
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.connection import RefusedError
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import (
    PATCH_FIELD_MANAGER,
    PATCH_FORCE,
    annotation,
    described,
    dig,
    name_of,
    namespace_of,
)
from toolchain.plugins.kubernetes.state import FIELD_MANAGER

PREFIX = "pulumi-kubernetes-"
DIGITS = 8
# Plain writes of theirs become ours with the next update, as with the official plugin: edits made by kubectl, and what
# the official plugin itself created (it posts under a name of its own).
TAKEN_OVER = ("kubectl", "before-first-apply", "pulumi-kubernetes", "pulumi-resource-kubernetes")


def manager_of(urn: str, inputs: Properties, state: Properties) -> str:
    """The field manager of a resource: the program's choice, the one it had, or one that follows from its URN."""
    had = state.get(FIELD_MANAGER)
    made = PREFIX + hashlib.sha256(urn.encode()).hexdigest()[:DIGITS]
    return annotation(inputs, PATCH_FIELD_MANAGER) or (had if isinstance(had, str) else made)


def owned_by(live: Properties, manager: str) -> bool:
    """Whether a manager has applied the object before."""
    return any(entry.get("manager") == manager and entry.get("operation") == "Apply" for entry in _entries(live))


def to_take_over(live: Properties, manager: str) -> list[Properties]:
    """The entries of managers whose fields become ours."""
    return [
        entry
        for entry in _entries(live)
        if entry.get("manager", "").startswith(TAKEN_OVER)
        and not entry.get("subresource")
        and (entry.get("operation") == "Update" or entry["manager"].startswith("kubectl"))
        and (entry["manager"], entry.get("operation")) != (manager, "Apply")
    ]


def take_over(cluster: Cluster, kind: Kind, live: Properties, manager: str) -> None:
    """Write those entries as ours, so that the next apply neither conflicts with them nor leaves fields behind."""
    taken = to_take_over(live, manager)
    if not taken:
        return
    own = next((e for e in _entries(live) if e.get("manager") == manager and e.get("operation") == "Apply"), {})
    fields = own.get("fieldsV1") or {}
    for entry in taken:
        fields = _union(fields, entry.get("fieldsV1") or {})
    ours = {"apiVersion": kind.api_version, "fieldsType": "FieldsV1", **(own or taken[0])}
    ours |= {"manager": manager, "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in _entries(live) if entry not in taken and entry != own]
    metadata = live["metadata"]
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [ours, *rest]},
        # Refused when somebody wrote meanwhile.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
    ]
    cluster.json_patch(kind, namespace_of(live), name_of(live), operations)


def forced(inputs: Properties, cluster: Cluster) -> bool:
    """Whether conflicts are to be overridden."""
    return annotation(inputs, PATCH_FORCE) == "true" or cluster.connection.settings.patch_force


def is_conflict(refusal: RefusedError) -> bool:
    """Whether a refusal is about fields that others own."""
    return any(cause.get("reason") == "FieldManagerConflict" for cause in refusal.causes)


def conflict(obj: Properties, refusal: RefusedError) -> ProviderError:
    """The refusal in words: which field, whose."""
    fields = [f"{cause.get('field')}: {cause.get('message')}" for cause in refusal.causes]
    return ProviderError(
        f"{described(obj)}: fields are owned by other managers:\n"
        + "\n".join(f"- {field}" for field in fields)
        + f'\nTo take them over, set the annotation {PATCH_FORCE}: "true" (or enablePatchForce on the provider); to '
        "leave them to their owner, take them out of the program or name them in ignoreChanges"
    )


def _entries(live: Properties) -> list[Properties]:
    entries: list[Properties] = dig(live, "metadata", "managedFields", default=[])
    return entries


def _union(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {**first, **{key: _union(first.get(key) or {}, value) for key, value in second.items()}}
