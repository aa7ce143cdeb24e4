"""A container is a plain user's process: no root, no privileges, no capabilities, no writes to its image."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from policies.rules.resources import Properties, labels_of, rule, texts
from workloads import contract

HOST_NAMESPACES: Final = ("networkMode", "pidMode", "ipcMode", "usernsMode", "cgroupnsMode")
UNCONFINED: Final = (
    "seccomp=unconfined",
    "seccomp:unconfined",
    "apparmor=unconfined",
    "apparmor:unconfined",
    "label=disable",
    "label:disable",
)


def non_root(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """The user is named and is neither root nor in root's group."""
    user, _colon, group = str(props.get("user") or "").partition(":")
    if user in ("", "0", "root"):
        shown = user or "whatever user the image names"
        yield f'runs as {shown}; set user to an id other than 0, such as "{contract.RUN_AS}"'
    if group in ("0", "root"):
        yield f'runs in group {group}; set user to "uid:gid" with a gid other than 0'


def no_new_privileges(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """Set-user-id programs gain nothing, and the engine's own confinement stays on."""
    options = list(props.get("securityOpts") or ())
    if not {"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"} & set(options):
        yield 'may gain privileges; add "no-new-privileges:true" to securityOpts'
    for option in options:
        if option in UNCONFINED:
            yield f'switches a confinement off with "{option}"; remove it from securityOpts'


def no_capabilities(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """All capabilities are dropped and none is added."""
    capabilities = props.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drops") or ()):
        yield 'keeps Linux capabilities; set capabilities.drops to ["ALL"]'
    if added := capabilities.get("adds"):
        yield f"adds the capabilities {', '.join(added)}; remove capabilities.adds"


def read_only_root(props: Properties, config: Mapping[str, Any]) -> Iterator[str]:
    """The image can't be changed from inside."""
    if not props.get("readOnly") and labels_of(props).get(contract.LABEL_KIND) not in config["exemptKinds"]:
        yield "may write to its root; set readOnly to true, and give it tmpfs or volumes where it must write"


def no_host_parts(props: Properties, _: Mapping[str, Any]) -> Iterator[str]:
    """Neither privileged nor inside a namespace of the host, nor with a device of it."""
    if props.get("privileged"):
        yield "is privileged; remove privileged"
    for name in HOST_NAMESPACES:
        if str(props.get(name) or "") == "host":
            yield f'shares a namespace of the host; remove {name}: "host" (services meet on their stack\'s networks)'
    if props.get("devices"):
        yield "gets a device of the host; remove devices (GPUs are asked for with gpus)"


RULES: Final = (
    rule("container-non-root", "Containers run as a user other than root.", non_root),
    rule("container-no-new-privileges", "Containers can't gain privileges.", no_new_privileges),
    rule("container-no-capabilities", "Containers have no Linux capabilities.", no_capabilities),
    rule(
        "container-read-only-root",
        "Containers can't change their image.",
        read_only_root,
        config={
            "exemptKinds": texts(
                ["deployed_model"], "kinds whose images are the user's own and may write to their layer"
            )
        },
    ),
    rule("container-no-host-parts", "Containers are not privileged and share nothing of the host.", no_host_parts),
)
