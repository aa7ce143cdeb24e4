"""What is done to the world: an object made, changed, removed, each waited for. Called by provider.py."""

from collections.abc import Callable
from dataclasses import dataclass

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties, unmarked
from toolchain.plugins.kubernetes import ownership, readiness
from toolchain.plugins.kubernetes.cluster import NOT_FOUND, Cluster, UnknownKindError
from toolchain.plugins.kubernetes.connection import RefusedError
from toolchain.plugins.kubernetes.custom_conditions import custom_check
from toolchain.plugins.kubernetes.differences import parsed, replaced
from toolchain.plugins.kubernetes.kinds import Kind
from toolchain.plugins.kubernetes.objects import (
    ABSENT,
    DELETION_PROPAGATION,
    SKIP_AWAIT,
    annotation,
    at,
    described,
    dig,
    identifier_of,
    is_true,
    name_of,
    namespace_of,
    to_api,
    without_read_only,
)
from toolchain.plugins.kubernetes.readiness import Check
from toolchain.plugins.kubernetes.secrecy import as_data
from toolchain.plugins.kubernetes.waiting import Waiting, timeout_of

# A namespace or a custom kind that another resource is just making: 1, 2, 4, 8 seconds.
RETRIES = 4
PROPAGATION = {"orphan": "Orphan", "background": "Background"}
# Kinds that skipAwait does not wait for when they are deleted either; others are quick.
DELETED_UNAWAITED = frozenset(
    {"DaemonSet", "Deployment", "Job", "Namespace", "Pod", "ReplicationController", "StatefulSet"}
)


@dataclass(frozen=True)
class Target:
    """One resource's object: its kind, its inputs without marks, the manager of its fields."""

    kind: Kind
    inputs: Properties
    manager: str

    @property
    def body(self) -> Properties:
        """What is sent to the API server."""
        return body_of(self.inputs)


def body_of(inputs: Properties) -> Properties:
    """Inputs as the API server takes them."""
    body: Properties = to_api(as_data(without_read_only(unmarked(inputs))))
    return body


class Operations:
    """Makes, changes and removes objects of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def create(self, call: Call, target: Target, timeout: float) -> Properties:
        """Make the object, as far as the API server goes; an object of somebody else is an error."""
        seconds = timeout_of(target.inputs, timeout)
        custom_check(target.inputs)  # an annotation that can't be understood is told before anything is made
        self._make_room(call, target, seconds)
        return self._patiently(call, lambda: self.apply(target, force=ownership.forced(target.inputs, self._cluster)))

    def update(self, call: Call, target: Target, old_manager: str, ignored: list[str], timeout: float) -> Properties:
        """Change the object; one that vanished is made anew."""
        timeout_of(target.inputs, timeout)
        custom_check(target.inputs)
        present = self._present(target)
        body = target.body
        if present is not None and not target.kind.patch:
            ownership.take_over(self._cluster, target.kind, present, target.manager)
        live = self.apply(target, body=overlaid(body, present, ignored))
        if old_manager != target.manager:
            self._relinquish(target, old_manager)
        return live

    def apply(
        self, target: Target, *, body: Properties | None = None, force: bool | None = None, dry_run: bool = False
    ) -> Properties:
        """Server-side apply; conflicts are told with their owners."""
        sent = target.body if body is None else body
        force = ownership.forced(target.inputs, self._cluster) if force is None else force
        try:
            return self._cluster.apply(target.kind, sent, target.manager, force=force, dry_run=dry_run)
        except RefusedError as refusal:
            if ownership.is_conflict(refusal):
                raise ownership.conflict(sent, refusal) from refusal
            raise

    def ready(self, call: Call, target: Target, live: Properties, timeout: float) -> Properties:
        """Wait until the object is as its kind, or the program, says; NotReadyError when it does not become so."""
        check = self._check(target)
        if check is None:
            return live
        seconds = timeout_of(target.inputs, timeout)
        return Waiting(self._cluster, call, target.kind, seconds).until_ready(live, check)

    def delete(self, call: Call, target: Target, identifier: tuple[str, str], timeout: float) -> None:
        """Remove the object and wait until it is gone; a patch gives its fields back instead."""
        namespace, name = identifier
        try:
            if target.kind.patch:
                self._give_back(target, namespace, name)
                return
            policy = PROPAGATION.get(annotation(target.inputs, DELETION_PROPAGATION).lower(), "Foreground")
            present = self._cluster.get(target.kind, namespace, name)
            if present is None or not self._cluster.delete(target.kind, namespace, name, policy):
                return
        except UnknownKindError:
            return  # with its CustomResourceDefinition all of its objects went
        if is_true(target.inputs, SKIP_AWAIT) and target.kind.name in DELETED_UNAWAITED:
            return
        Waiting(self._cluster, call, target.kind, timeout_of(target.inputs, timeout)).until_gone(present)

    def _check(self, target: Target) -> Check | None:
        if is_true(target.inputs, SKIP_AWAIT):
            return None
        return custom_check(target.inputs) or readiness.check_for(target.kind)

    def _present(self, target: Target) -> Properties | None:
        return self._cluster.get(target.kind, namespace_of(target.inputs), name_of(target.inputs))

    def _make_room(self, call: Call, target: Target, seconds: float) -> None:
        """Wait for one of that name that is just being deleted; refuse to take over what somebody else made."""
        try:
            present = self._present(target)
        except UnknownKindError:
            return
        if present is not None and dig(present, "metadata", "deletionTimestamp"):
            Waiting(self._cluster, call, target.kind, seconds).until_gone(present)
            return
        accepted = target.kind.patch or self._cluster.connection.settings.upsert
        if present is None or accepted or ownership.owned_by(present, target.manager):
            return
        raise ProviderError(
            f"{described(target.inputs)} exists already, and this resource did not make it. To have it managed here, "
            f"import it (pulumi import {_token(call)} {call.name} {identifier_of(target.inputs)}); to manage some of "
            f"its fields only, use {target.kind.name}Patch; if the resource was renamed in the program, give it an "
            "alias; upsertExistingObjects on the provider takes over whatever is there"
        )

    def _patiently(self, call: Call, act: Callable[[], Properties]) -> Properties:
        for attempt in range(RETRIES):
            try:
                return act()
            except (RefusedError, UnknownKindError) as problem:
                if isinstance(problem, RefusedError) and problem.code != NOT_FOUND:
                    raise
                call.status(f"trying again: {problem}")
                if call.cancelled.wait(2**attempt):
                    raise
        return act()

    def _relinquish(self, target: Target, manager: str) -> None:
        """Own nothing any more under a manager: apply nothing but the object's identity."""
        metadata = {key: value for key, value in target.body["metadata"].items() if key in ("name", "namespace")}
        nothing = {"apiVersion": target.kind.api_version, "kind": target.kind.name, "metadata": metadata}
        self._cluster.apply(target.kind, nothing, manager, force=False)

    def _give_back(self, target: Target, namespace: str, name: str) -> None:
        if self._cluster.get(target.kind, namespace, name) is None:
            return
        try:
            self._relinquish(target, target.manager)
        except RefusedError as refusal:
            required = [cause.get("field") for cause in refusal.causes if cause.get("reason") == "FieldValueRequired"]
            if not required:
                raise
            raise ProviderError(
                f"this patch owns {', '.join(map(str, required))}, which {described(target.inputs)} can't be without: "
                "set retain_on_delete on the resource, or let somebody else own the field first"
            ) from refusal


def overlaid(body: Properties, live: Properties | None, ignored: list[str]) -> Properties:
    """The body with what is live wherever the program ignores changes: what others wrote there stays."""
    for path in map(parsed, ignored):
        value = at(live, path)
        if value is not ABSENT and at(body, path) is not ABSENT:
            body = replaced(body, path, value)
    return body


def _token(call: Call) -> str:
    return call.urn.split("::")[2].rsplit("$", 1)[-1]
