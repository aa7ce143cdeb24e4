"""Bad manifests: a good one with one fault each, the rule that has to refuse it, and words of the remedy.

STANDARD are tried against a real cluster's admission too (tests/integration/cluster); `own_mutations` has the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.policies.manifests import REMOVED, changed, container, root


@dataclass(frozen=True)
class Mutation:
    """A fault.

    Attributes:
        changes: as `manifests.changed` takes them.
        says: words that the message has to have, the remedy's among them.
        on: the kind of object that gets the fault.
    """

    name: str
    rule: str
    changes: Mapping[str, Any]
    says: tuple[str, ...]
    on: str = "Deployment"

    def manifest(self) -> dict[str, Any]:
        """The bad object."""
        return changed(self.on, self.changes)


def _context(name: str, rule: str, field: str, value: Any, *says: str) -> tuple[Mutation, Mutation]:
    """A fault of a security context, once the pod's and once the container's."""
    return (
        Mutation(f"{name}-pod", rule, {f"pod securityContext {field}": value}, ("the pod", *says)),
        Mutation(f"{name}-container", rule, {f"container securityContext {field}": value}, ('container "api"', *says)),
    )


def _init(name: str, rule: str, change: str, value: Any, *says: str) -> Mutation:
    """A fault of the container that comes before the others."""
    return Mutation(
        f"init-{name}", rule, {f"pod initContainers 0 {change}": value}, ('init container "prepare"', *says)
    )


def _volume(kind: str, source: Mapping[str, Any], *says: str) -> Mutation:
    return Mutation(
        f"volume-{kind}", "pod-volume-types", {"pod volumes 0": {"name": "tmp", kind: source}}, ("volume tmp", *says)
    )


HOST: Final = "container-no-host-parts"
CONFINED: Final = "container-confined"
USER: Final = "container-non-root"

# Faults that Pod Security "restricted" knows as well.
STANDARD: Final = (
    Mutation("host-network", HOST, {"pod hostNetwork": True}, ("remove hostNetwork",)),
    Mutation("host-pid", HOST, {"pod hostPID": True}, ("remove hostPID",)),
    Mutation("host-ipc", HOST, {"pod hostIPC": True}, ("remove hostIPC",)),
    Mutation(
        "host-port",
        "container-loopback-only",
        {"container ports": [{"containerPort": 8080.0, "hostPort": 8080.0}]},
        ("port 8080 of its node", "remove hostPort"),
    ),
    Mutation(
        "probe-host",
        HOST,
        {"container readinessProbe httpGet host": "example.com"},
        ("remove readinessProbe.httpGet.host",),
    ),
    Mutation(
        "hook-host",
        HOST,
        {"container lifecycle preStop httpGet": {"host": "example.com", "port": 80, "path": "/"}},
        ("remove lifecycle.preStop.httpGet.host",),
    ),
    _volume("hostPath", {"path": "/var/run"}, "/var/run of its node", "persistentVolumeClaim"),
    _volume("nfs", {"server": "files", "path": "/"}, "type nfs", "persistentVolumeClaim"),
    _volume("iscsi", {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2001-04.com.example:x", "lun": 0}, "type iscsi"),
    _volume("gitRepo", {"repository": "https://example.com/x.git"}, "type gitRepo"),
    Mutation(
        "apparmor-annotation",
        CONFINED,
        {"template metadata annotations container.apparmor.security.beta.kubernetes.io/api": "unconfined"},
        ("AppArmor", "remove the annotation"),
    ),
    *_context("apparmor", CONFINED, "appArmorProfile", {"type": "Unconfined"}, "remove", "appArmorProfile"),
    *_context("selinux-type", CONFINED, "seLinuxOptions", {"type": "spc_t"}, "spc_t", "seLinuxOptions.type"),
    *_context("selinux-user", CONFINED, "seLinuxOptions", {"user": "system_u"}, "seLinuxOptions.user"),
    *_context("selinux-role", CONFINED, "seLinuxOptions", {"role": "system_r"}, "seLinuxOptions.role"),
    *_context("seccomp", CONFINED, "seccompProfile", {"type": "Unconfined"}, "Unconfined", "RuntimeDefault"),
    Mutation(
        "seccomp-missing",
        CONFINED,
        {"pod securityContext seccompProfile": REMOVED, "pod initContainers": []},
        ('container "api" has no seccomp', "RuntimeDefault"),
    ),
    Mutation(
        "proc-unmasked",
        CONFINED,
        {"container securityContext procMount": "Unmasked", "pod hostUsers": False},
        ("/proc", "remove securityContext.procMount"),
    ),
    Mutation(
        "sysctl",
        CONFINED,
        {"pod securityContext sysctls": [{"name": "kernel.msgmax", "value": "65536"}]},
        ("kernel.msgmax", "securityContext.sysctls"),
    ),
    *_context("may-be-root", USER, "runAsNonRoot", False, "set securityContext.runAsNonRoot to true"),
    Mutation(
        "may-be-root-missing",
        USER,
        {"pod securityContext runAsNonRoot": REMOVED, "pod initContainers": []},
        ("set securityContext.runAsNonRoot to true", "for the whole pod"),
    ),
    *_context("root", USER, "runAsUser", 0.0, "runs as root", "id other than 0"),
    Mutation(
        "privilege-escalation",
        "container-no-new-privileges",
        {"container securityContext allowPrivilegeEscalation": True},
        ("set securityContext.allowPrivilegeEscalation to false",),
    ),
    Mutation(
        "privilege-escalation-missing",
        "container-no-new-privileges",
        {"container securityContext allowPrivilegeEscalation": REMOVED},
        ("set securityContext.allowPrivilegeEscalation to false",),
    ),
    Mutation(
        "capabilities-kept",
        "container-no-capabilities",
        {"container securityContext capabilities": REMOVED},
        ('set securityContext.capabilities.drop to ["ALL"]',),
    ),
    Mutation(
        "capabilities-some-dropped",
        "container-no-capabilities",
        {"container securityContext capabilities": {"drop": ["NET_RAW"]}},
        ('set securityContext.capabilities.drop to ["ALL"]',),
    ),
    Mutation(
        "capabilities-added",
        "container-no-capabilities",
        {"container securityContext capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}},
        ("SYS_ADMIN", "remove securityContext.capabilities.add"),
    ),
    _init("escalation", "container-no-new-privileges", "securityContext allowPrivilegeEscalation", True),
    _init("root", USER, "securityContext runAsUser", 0.0, "runs as root"),
    _init("capabilities", "container-no-capabilities", "securityContext capabilities", {}, "keeps"),
    _init("seccomp", CONFINED, "securityContext seccompProfile", {"type": "Unconfined"}, "Unconfined"),
    _init("host-port", "container-loopback-only", "ports", [{"containerPort": 80.0, "hostPort": 80.0}], "hostPort"),
)

# Faults in what the standard does not allow either, but which the API server refuses before it asks Pod Security.
UNREACHED: Final = (
    Mutation(
        "host-process",
        HOST,
        {"container securityContext windowsOptions": {"hostProcess": True}},
        ("remove securityContext.windowsOptions.hostProcess",),
    ),
    Mutation(
        "ephemeral-root",
        USER,
        {"pod ephemeralContainers": lambda: [container("extra", securityContext=root())]},
        ('ephemeral container "extra" runs as root',),
    ),
)
