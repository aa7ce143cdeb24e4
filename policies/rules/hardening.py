"""A container is a plain user's process: no root, no privileges, no capabilities, no writes to its image.

On Kubernetes these are, with `confinement`, `host` and `volumes`, the Pod Security Standard "restricted", and more.
"""

from collections.abc import Iterator
from typing import Any, Final

from policies.reading.kubernetes import section
from policies.reading.workloads import Container, Workload
from policies.rules.contexts import CONTEXT, silent, stated
from policies.rules.making import Config, each, texts, workload_rule
from workloads import contract

NO_NEW_PRIVILEGES: Final = {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"}
ROOT: Final = ("0", "0.0", "root")


def user_of_docker(container: Container, _: Config) -> Iterator[str]:
    """The user is named and is neither root nor in root's group."""
    user, _colon, group = str(container.props.get("user") or "").partition(":")
    if user in ("", *ROOT):
        shown = user or "whatever user the image names"
        yield f'runs as {shown}; set user to an id other than 0, such as "{contract.RUN_AS}"'
    if group in ROOT:
        yield f'runs in group {group}; set user to "uid:gid" with a gid other than 0'


def user_of_kubernetes(pod: Workload, _: Config) -> Iterator[str]:
    """The kubelet is told to refuse root, and nobody names root or its group."""
    for place, value in stated(pod, "runAsNonRoot"):
        if value is not True:
            yield f"{place}may run as root; set {CONTEXT}.runAsNonRoot to true"
    for place in silent(pod, "runAsNonRoot"):
        yield f"{place}may run as root; set {CONTEXT}.runAsNonRoot to true, there or for the whole pod"
    for name, what in {"runAsUser": "as root", "runAsGroup": "in root's group", "fsGroup": "in root's group"}.items():
        for place, value in stated(pod, name):
            if _root(value):
                yield f"{place}runs {what}; set {CONTEXT}.{name} to an id other than 0, such as {contract.RUN_AS_UID}"
    if any(map(_root, section(pod.spec, CONTEXT).get("supplementalGroups") or ())):
        yield f"the pod runs in root's group; remove 0 from {CONTEXT}.supplementalGroups"


def _root(value: Any) -> bool:
    return str(value) in ROOT


def privileges_of_docker(container: Container, _: Config) -> Iterator[str]:
    """Set-user-id programs gain nothing."""
    if not NO_NEW_PRIVILEGES & set(container.props.get("securityOpts") or ()):
        yield 'may gain privileges; add "no-new-privileges:true" to securityOpts'


def privileges_of_kubernetes(container: Container, _: Config) -> Iterator[str]:
    """Set-user-id programs gain nothing."""
    if section(container.props, CONTEXT).get("allowPrivilegeEscalation") is not False:
        yield f"may gain privileges; set {CONTEXT}.allowPrivilegeEscalation to false"


def capabilities_of_docker(container: Container, _: Config) -> Iterator[str]:
    """All capabilities are dropped and none is added."""
    capabilities = container.props.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drops") or ()):
        yield 'keeps Linux capabilities; set capabilities.drops to ["ALL"]'
    if added := capabilities.get("adds"):
        yield f"adds the capabilities {', '.join(added)}; remove capabilities.adds"


def capabilities_of_kubernetes(container: Container, _: Config) -> Iterator[str]:
    """All are dropped and none is added, not even the one that the standard leaves: no port is below 1024."""
    capabilities = section(container.props, CONTEXT, "capabilities")
    if "ALL" not in (capabilities.get("drop") or ()):
        yield f'keeps Linux capabilities; set {CONTEXT}.capabilities.drop to ["ALL"]'
    if added := capabilities.get("add"):
        yield f"adds the capabilities {', '.join(added)}; remove {CONTEXT}.capabilities.add"


def root_of_docker(workload: Workload, config: Config) -> Iterator[str]:
    """The image can't be changed from inside."""
    yield from _writable(workload, config, "readOnly", "tmpfs or volumes")


def root_of_kubernetes(workload: Workload, config: Config) -> Iterator[str]:
    """The image can't be changed from inside."""
    yield from _writable(workload, config, f"{CONTEXT}.readOnlyRootFilesystem", "emptyDir or other volumes")


def _writable(workload: Workload, config: Config, setting: str, instead: str) -> Iterator[str]:
    if workload.kind in config["exemptKinds"]:
        return
    for container in workload.containers:
        if not container.read_only_root:
            remedy = f"set {setting} to true, and give it {instead} where it must write"
            yield f"{container.place}may write to its root; {remedy}"


RULES: Final = (
    workload_rule(
        "container-non-root",
        "Containers run as a user other than root.",
        docker=each(user_of_docker),
        kubernetes=user_of_kubernetes,
    ),
    workload_rule(
        "container-no-new-privileges",
        "Containers can't gain privileges.",
        docker=each(privileges_of_docker),
        kubernetes=each(privileges_of_kubernetes),
    ),
    workload_rule(
        "container-no-capabilities",
        "Containers have no Linux capabilities.",
        docker=each(capabilities_of_docker),
        kubernetes=each(capabilities_of_kubernetes),
    ),
    workload_rule(
        "container-read-only-root",
        "Containers can't change their image.",
        docker=root_of_docker,
        kubernetes=root_of_kubernetes,
        config={
            "exemptKinds": texts(
                ["deployed_model"], "kinds whose images are the user's own and may write to their layer"
            )
        },
    ),
)
