"""What a preview knows of an object: the API server's dry run, without what only the real run decides."""

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import UNKNOWN, Properties, has_unknown
from toolchain.plugins.kubernetes import ownership
from toolchain.plugins.kubernetes.cluster import FORBIDDEN, NOT_FOUND, Cluster, UnknownKindError
from toolchain.plugins.kubernetes.connection import RefusedError, UnreachableError
from toolchain.plugins.kubernetes.differences import replaced
from toolchain.plugins.kubernetes.objects import ABSENT, Path, at, dig, from_api, name_of, namespace_of
from toolchain.plugins.kubernetes.operations import Operations, Target, overlaid
from toolchain.plugins.kubernetes.secrecy import marked
from toolchain.plugins.kubernetes.state import without_managed_fields

# Chosen anew when the object is really made: a dry run's values would be wrong.
NEW_EACH_TIME: tuple[Path, ...] = (
    ("metadata", "uid"),
    ("metadata", "creationTimestamp"),
    ("metadata", "generation"),
    ("metadata", "resourceVersion"),
)
ALLOCATED: tuple[Path, ...] = (("spec", "clusterIP"), ("spec", "clusterIPs"), ("spec", "healthCheckNodePort"))
WITHOUT_DRY_RUN = "does not support dry run"


def previewed(
    cluster: Cluster, call: Call, target: Target, inputs: Properties, *, exists: bool, ignored: list[str] | None = None
) -> Properties:
    """The outputs as far as they are known; the inputs alone where the API server can't say.

    Raises ProviderError for what it would refuse: a preview shows it before anything has changed.
    """
    if has_unknown(target.inputs):
        return inputs
    try:
        live = cluster.get(target.kind, namespace_of(target.inputs), name_of(target.inputs))
        if live is not None and not exists:
            return inputs  # it is to be replaced under the same name: a dry run would change the old one
        taken = live is not None and bool(ownership.to_take_over(live, target.manager))
        body = overlaid(target.body, live, ignored or [])
        force = taken or ownership.forced(target.inputs, cluster)
        dry = Operations(cluster).apply(target, body=body, force=force, dry_run=True)
    except ProviderError as problem:
        _tell_or_raise(call, target, problem)
        return inputs
    return marked(_known(target, from_api(without_managed_fields(dry)), exists=live is not None), inputs)


def _tell_or_raise(call: Call, target: Target, problem: ProviderError) -> None:
    """A preview goes on where only the real run can know; what it would be refused for ends it."""
    if isinstance(problem, UnreachableError):
        call.warn(f"{problem}; the preview shows the inputs only")
    elif isinstance(problem, RefusedError) and problem.code == FORBIDDEN:
        call.warn(f"the dry run was refused, so the preview shows the inputs only: {problem.message}")
    elif not isinstance(problem, UnknownKindError) and not _undecided(target, problem):
        # A kind that nobody knows may be defined by the same update.
        raise problem


def _undecided(target: Target, refusal: ProviderError) -> bool:
    """The namespace is still to be made, or a webhook takes no part in dry runs."""
    if not isinstance(refusal, RefusedError):
        return False
    return (refusal.code == NOT_FOUND and bool(namespace_of(target.inputs))) or WITHOUT_DRY_RUN in refusal.message


def _known(target: Target, dry: Properties, *, exists: bool) -> Properties:
    """Without status, and with UNKNOWN where the real run decides."""
    known = {key: value for key, value in dry.items() if key != "status"}
    unknown: tuple[Path, ...] = NEW_EACH_TIME[2:] if exists else NEW_EACH_TIME
    if target.kind.name == "Service" and not exists:
        ports = range(len(dig(known, "spec", "ports", default=[])))
        unknown += ALLOCATED + tuple(("spec", "ports", index, "nodePort") for index in ports)
    for path in unknown:
        if at(known, path) is not ABSENT and at(target.inputs, path) is ABSENT:
            known = replaced(known, path, UNKNOWN)
    return known
