"""The engine's own confinement stays on: seccomp, AppArmor, SELinux, the masked /proc, the kernel's settings."""

from collections.abc import Iterator
from typing import Final

from policies.reading.kubernetes import section
from policies.reading.workloads import Container, Workload
from policies.rules.contexts import CONTEXT, silent, stated
from policies.rules.making import Config, each, workload_rule

UNCONFINED: Final = (
    "seccomp=unconfined",
    "seccomp:unconfined",
    "apparmor=unconfined",
    "apparmor:unconfined",
    "label=disable",
    "label:disable",
    "systempaths=unconfined",
    "systempaths:unconfined",
)
PROFILES: Final = ("RuntimeDefault", "Localhost")
APPARMOR_ANNOTATION: Final = "container.apparmor.security.beta.kubernetes.io/"
APPARMOR_ALLOWED: Final = ("runtime/default", "localhost/")
SELINUX_TYPES: Final = ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
# What Kubernetes itself calls safe: a pod's own, seen by no other pod (Pod Security Standards, 1.32 and later).
SAFE_SYSCTLS: Final = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
)


def confined_by_docker(container: Container, _: Config) -> Iterator[str]:
    """No option switches a confinement off."""
    for option in container.props.get("securityOpts") or ():
        if option in UNCONFINED:
            yield f'switches a confinement off with "{option}"; remove it from securityOpts'


def confined_by_kubernetes(pod: Workload, _: Config) -> Iterator[str]:
    """Seccomp is asked for, since without it a pod has none; the others are on unless somebody switches them off."""
    for check in (_seccomp, _apparmor, _selinux, _proc, _sysctls):
        yield from check(pod)


def _seccomp(pod: Workload) -> Iterator[str]:
    remedy = f'set {CONTEXT}.seccompProfile to {{type: "RuntimeDefault"}} (or a Localhost profile)'
    for place, value in stated(pod, "seccompProfile", "type"):
        if value not in PROFILES:
            yield f'{place}has the seccomp profile "{value}"; {remedy}'
    for place in silent(pod, "seccompProfile", "type"):
        yield f"{place}has no seccomp profile; {remedy}, there or for the whole pod"


def _apparmor(pod: Workload) -> Iterator[str]:
    for place, value in stated(pod, "appArmorProfile", "type"):
        if value not in PROFILES:
            yield f'{place}has the AppArmor profile "{value}"; remove {CONTEXT}.appArmorProfile'
    for name, value in pod.annotations.items():
        if name.startswith(APPARMOR_ANNOTATION) and value and not value.startswith(APPARMOR_ALLOWED):
            yield f'the pod has the AppArmor profile "{value}"; remove the annotation {name}'


def _selinux(pod: Workload) -> Iterator[str]:
    for place, value in stated(pod, "seLinuxOptions", "type"):
        if value not in SELINUX_TYPES:
            yield f'{place}has the SELinux type "{value}"; remove {CONTEXT}.seLinuxOptions.type'
    for name in ("user", "role"):
        for place, value in stated(pod, "seLinuxOptions", name):
            if value:
                yield f'{place}has the SELinux {name} "{value}"; remove {CONTEXT}.seLinuxOptions.{name}'


def _proc(pod: Workload) -> Iterator[str]:
    for place, value in stated(pod, "procMount"):
        if value != "Default":
            yield f'{place}sees all of /proc (procMount "{value}"); remove {CONTEXT}.procMount'


def _sysctls(pod: Workload) -> Iterator[str]:
    for each_one in section(pod.spec, CONTEXT).get("sysctls") or ():
        if each_one["name"] not in SAFE_SYSCTLS:
            yield f"the pod sets {each_one['name']}, which is the node's; remove it from {CONTEXT}.sysctls"


RULES: Final = (
    workload_rule(
        "container-confined",
        "The engine's confinement stays on: seccomp, AppArmor, SELinux, /proc, kernel settings.",
        docker=each(confined_by_docker),
        kubernetes=confined_by_kubernetes,
    ),
)
