"""Diff: what a changed program means for an object, judged by the API server where it can be asked.

Equal inputs are no difference, and nobody is asked: an `up` without changes costs no connection. Otherwise a dry run
tells which of the differences change anything, and which can't be made in place.
"""

from dataclasses import dataclass

from toolchain.plugins.common.resource import Call, ProviderError
from toolchain.plugins.common.values import Properties, has_unknown
from toolchain.plugins.kubernetes import ownership, replacements
from toolchain.plugins.kubernetes.cluster import Cluster
from toolchain.plugins.kubernetes.connection import RefusedError, UnreachableError
from toolchain.plugins.kubernetes.differences import Difference, covers, differences, parsed
from toolchain.plugins.kubernetes.objects import (
    ABSENT,
    REPLACE_UNREADY,
    Path,
    at,
    from_api,
    is_true,
    name_of,
    namespace_of,
    without_read_only,
)
from toolchain.plugins.kubernetes.operations import Operations, Target
from toolchain.plugins.kubernetes.readiness import job
from toolchain.plugins.kubernetes.state import last_live

UNREADY = Difference(("metadata", "annotations", REPLACE_UNREADY), "update")


@dataclass(frozen=True)
class Judgement:
    """What differs, and which of it needs a new object."""

    found: list[Difference]
    replacing: list[Difference]


def judge(
    cluster: Cluster, call: Call, target: Target, old: Properties, state: Properties, ignored: list[str]
) -> Judgement:
    """Compare the state's inputs with the program's (`target`), all without marks."""
    patterns = [parsed(path) for path in ignored]
    found = [
        difference
        for difference in differences(without_read_only(old), without_read_only(target.inputs))
        if not any(covers(pattern, difference.path) for pattern in patterns)
    ]
    unready = _unready(cluster, call, target)
    if found:
        found, replacing = _asked(cluster, call, target, found, last_live(state))
        return Judgement([*found, *unready], [*replacing, *unready])
    return Judgement(unready, unready)


def _asked(
    cluster: Cluster, call: Call, target: Target, found: list[Difference], last: Properties
) -> tuple[list[Difference], list[Difference]]:
    listed = replacements.replacing(found, target.kind, target.inputs, cluster.connection.settings)
    same_object = (name_of(last), namespace_of(last)) == (name_of(target.inputs), namespace_of(target.inputs))
    if has_unknown(target.inputs) or not same_object:
        return found, listed
    try:
        compared = _dry_run(cluster, target)
    except RefusedError as refusal:
        refused = replacements.refused(found, target.kind, refusal)
        return found, [*listed, *(difference for difference in refused if difference not in listed)]
    except ProviderError as problem:
        # A kind that is still to be defined, or a conflict over fields: the update tells it. The state is compared.
        if isinstance(problem, UnreachableError):
            call.warn(f"{problem}; compared with the state only")
        compared = None
    if compared is None:
        return found, listed
    live, dry = compared
    changing = [difference for difference in found if _changes(difference, live, dry, last)]
    return changing, [difference for difference in listed if difference in changing]


def _dry_run(cluster: Cluster, target: Target) -> tuple[Properties, Properties] | None:
    """The object as it is and as it would be; None when it is gone."""
    live = cluster.get(target.kind, namespace_of(target.inputs), name_of(target.inputs))
    if live is None:
        return None
    force = ownership.forced(target.inputs, cluster) or bool(ownership.to_take_over(live, target.manager))
    dry = Operations(cluster).apply(target, force=force, dry_run=True)
    return from_api(live), from_api(dry)


def _changes(difference: Difference, live: Properties, dry: Properties, last: Properties) -> bool:
    """Whether the API server sees a difference: the dry run gives what is live, and the state says so too."""
    path = _kept(difference.path)
    before, after = at(live, path), at(dry, path)
    written_only = after is ABSENT and difference.kind != "delete"
    return written_only or before != after or before != at(last, path)


def _kept(path: Path) -> Path:
    """Where the API server keeps what a path names: a Secret's texts are in its data."""
    return ("data", *path[1:]) if path[:1] == ("stringData",) else path


def _unready(cluster: Cluster, call: Call, target: Target) -> list[Difference]:
    """The annotation pulumi.com/replaceUnready: a Job that has not succeeded is made anew."""
    if not is_true(target.inputs, REPLACE_UNREADY):
        return []
    if target.kind.name != "Job":
        call.warn(f"{REPLACE_UNREADY} is for Jobs; it does nothing for a {target.kind.name}")
        return []
    try:
        live = cluster.get(target.kind, namespace_of(target.inputs), name_of(target.inputs))
    except UnreachableError as problem:
        call.warn(f"{problem}; {REPLACE_UNREADY} could not be looked at")
        return []
    return [UNREADY] if live is not None and not job(live, cluster).ready else []
