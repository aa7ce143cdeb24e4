"""The container section (5) of the CIS Docker Benchmark 1.6, asked of every container of a running stack.

`make cis` prints it, tests/conformance/test_cis.py holds a stack with jobs and model servers to it. Each item looks at
what `docker inspect` says. What is not as the benchmark wants it, and why that stays, is in EXEMPTIONS alone.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from toolchain.shell import Shell, ToolchainError
from toolchain.stack.leftovers import LABEL_KIND, LABEL_STACK
from toolchain.steps import Report

Json = dict[str, Any]
SENSITIVE = ("/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr")
SOCKET = "docker.sock"
PRIVILEGED_PORTS = 1024
KERNEL_CAPABILITIES = {"ALL", "SYS_ADMIN", "NET_ADMIN", "NET_RAW"}
MOST_RESTARTS = 5
EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 (looked for, not used)


@dataclass(frozen=True)
class Finding:
    """What is not as an item wants it; with a `reason` it is a named exception, else a warning."""

    item: str
    container: str
    problem: str
    reason: str = ""


def _host(container: Json) -> Json:
    found: Json = container["HostConfig"]
    return found


def _security(container: Json, prefix: str) -> list[str]:
    return [each for each in _host(container)["SecurityOpt"] or () if each.startswith(prefix)]


def _bindings(container: Json) -> list[tuple[int, str]]:
    """Published ports of the host with their addresses."""
    ports = _host(container)["PortBindings"] or {}
    return [(int(each["HostPort"] or 0), each["HostIp"]) for bound in ports.values() for each in bound or ()]


def _capabilities(container: Json) -> bool:
    dropped = {each.upper() for each in _host(container)["CapDrop"] or ()}
    added = {each.upper().removeprefix("CAP_") for each in _host(container)["CapAdd"] or ()}
    return "ALL" not in dropped or bool(added & KERNEL_CAPABILITIES)


def _mounts(container: Json) -> list[str]:
    return [each["Source"].rstrip("/") or "/" for each in container["Mounts"] if each["Type"] == "bind"]


def _restarts(container: Json) -> bool:
    policy = _host(container)["RestartPolicy"]
    few = policy["Name"] == "on-failure" and 0 < policy["MaximumRetryCount"] <= MOST_RESTARTS
    return not few and policy["Name"] not in ("", "no")


def _shares(name: str) -> Callable[[Json], bool]:
    return lambda container: _host(container)[name] == "host"


# Item → what a container that fails it does, and how that is seen.
ITEMS: dict[str, tuple[str, Callable[[Json], bool]]] = {
    "5.2": ("runs without an AppArmor profile", lambda c: c.get("AppArmorProfile") in (None, "", "unconfined")),
    "5.3": ("has no SELinux label", lambda c: not c.get("ProcessLabel")),
    "5.4": ("keeps kernel capabilities", _capabilities),
    "5.5": ("is privileged", lambda c: bool(_host(c)["Privileged"])),
    "5.6": ("sees the host's system folders", lambda c: any(each in SENSITIVE for each in _mounts(c))),
    "5.8": ("takes a port below 1024", lambda c: any(port < PRIVILEGED_PORTS for port, _ in _bindings(c))),
    "5.9": ("publishes all its ports", lambda c: bool(_host(c)["PublishAllPorts"])),
    "5.10": ("is on the host's network", _shares("NetworkMode")),
    "5.11": ("has no memory limit", lambda c: not _host(c)["Memory"]),
    "5.12": ("has no CPU limit", lambda c: not (_host(c)["NanoCpus"] or _host(c)["CpuShares"])),
    "5.13": ("may write to its root file system", lambda c: not _host(c)["ReadonlyRootfs"]),
    "5.14": ("is published on every interface", lambda c: any(ip in EVERYWHERE for _, ip in _bindings(c))),
    "5.15": ("is restarted more than five times", _restarts),
    "5.16": ("sees the host's processes", _shares("PidMode")),
    "5.17": ("shares the host's IPC", _shares("IpcMode")),
    "5.18": ("has a device of the host", lambda c: bool(_host(c)["Devices"])),
    "5.20": ("propagates mounts", lambda c: any(each.get("Propagation") == "shared" for each in c["Mounts"])),
    "5.21": ("shares the host's name", _shares("UTSMode")),
    "5.22": ("runs without seccomp", lambda c: bool(_security(c, "seccomp=unconfined"))),
    "5.25": ("is in a control group of its own choice", lambda c: bool(_host(c)["CgroupParent"])),
    "5.26": ("may gain privileges", lambda c: not _security(c, "no-new-privileges")),
    "5.27": ("has no health check", lambda c: not (c["Config"].get("Healthcheck") or {}).get("Test")),
    "5.29": ("has no process limit", lambda c: (_host(c)["PidsLimit"] or 0) <= 0),
    "5.30": ("is on the bridge docker0", lambda c: "bridge" in c["NetworkSettings"]["Networks"]),
    "5.31": ("shares the host's user namespace", _shares("UsernsMode")),
    "5.32": ("has the engine's socket", lambda c: any(SOCKET in each["Source"] for each in c["Mounts"])),
}

# What `docker inspect` can't tell, and why it holds.
BY_HAND = {
    "5.7": "no image has an SSH server",
    "5.19": "every service sets nproc itself",
    "5.23": "nothing of ours runs docker exec --privileged",
    "5.24": "health checks run as the container's user; nothing else of ours runs docker exec",
    "5.28": "an image's tag is the hash of its sources",
}


@dataclass(frozen=True)
class Exemption:
    """Why an item may fail, for containers of these kinds (all when empty), while the engine's kernel lacks something.

    Attributes:
        lacks: the word of `docker info`'s security options that would be there.
    """

    item: str
    reason: str
    kinds: frozenset[str] = frozenset()
    lacks: str = ""


USERS_OWN = frozenset({"custom_job", "batch_prediction_job", "deployed_model"})
UNASKED = USERS_OWN | {"place"}  # a place only sleeps until a job starts in it
SERVICES = frozenset({"database", "object_store", "tracking", "api", "job_runner", "gateway"})
EXEMPTIONS = (
    Exemption("5.2", "this kernel has no AppArmor", lacks="apparmor"),
    Exemption("5.3", "this kernel has no SELinux", lacks="selinux"),
    Exemption("5.13", "a user's image writes where it likes, as on Vertex, as a user without rights", USERS_OWN),
    Exemption(
        "5.15",
        "services and model servers come back whatever ends them, the engine too; it waits twice as long each time",
        SERVICES | {"deployed_model"},
    ),
    Exemption("5.27", "jobs end by themselves; the gateway and the controllers ask model servers", UNASKED),
    Exemption(
        "5.32", "the controllers run the jobs; no port of theirs but a health check is open", frozenset({"job_runner"})
    ),
)


def findings(containers: list[Json], security: list[str], swarm: str) -> Iterator[Finding]:
    """Everything that is not as the section wants it.

    Args:
        containers: as `docker inspect` prints them.
        security: the engine's security options, such as "name=seccomp,profile=default".
        swarm: whether the engine is in a swarm, as `docker info` calls it.
    """
    if swarm not in ("inactive", ""):
        yield Finding("5.1", "the engine", f"is in a swarm ({swarm})")
    for container in containers:
        kind = (container["Config"]["Labels"] or {}).get(LABEL_KIND, "")
        for item, (problem, fails) in ITEMS.items():
            if fails(container):
                yield Finding(item, container["Name"].lstrip("/"), problem, _reason(item, kind, security))


def _reason(item: str, kind: str, security: list[str]) -> str:
    for each in EXEMPTIONS:
        lacking = not each.lacks or not any(each.lacks in option for option in security)
        if each.item == item and lacking and (not each.kinds or kind in each.kinds):
            return each.reason
    return ""


def audit(shell: Shell, stack: str) -> list[Finding]:
    """Ask the engine.

    Raises:
        ToolchainError: it does not answer, or nothing of the stack runs.
    """
    names = _ask(shell, "ps", "--quiet", "--filter", f"label={LABEL_STACK}={stack}").split()
    if not names:
        raise ToolchainError(f"nothing of stack {stack} runs on this Docker engine", f"make up STACK={stack}")
    info = json.loads(_ask(shell, "info", "--format", "{{json .}}"))
    containers: list[Json] = json.loads(_ask(shell, "inspect", *names))
    swarm = str((info.get("Swarm") or {}).get("LocalNodeState", ""))
    return list(findings(containers, info.get("SecurityOptions") or [], swarm))


def _ask(shell: Shell, *words: str) -> str:
    said = shell.ask(["docker", *words], timeout=30)
    if said.code:
        raise ToolchainError(f"the Docker engine does not answer `docker {words[0]}`: {said.text}", "see that it runs")
    return said.text


def show(shell: Shell, stack: str, report: Report) -> int:
    """Print every item with its verdict; 1 when there is a warning."""
    found = audit(shell, stack)
    for item in ["5.1", *ITEMS, *BY_HAND]:
        mine = [each for each in found if each.item == item]
        warnings = [each for each in mine if not each.reason]
        for each in warnings:
            report(f"! {item:5} {each.container} {each.problem}")
        for problem, reason in sorted({(each.problem, each.reason) for each in mine if each.reason}):
            report(f"- {item:5} {problem}: {reason}")
        if not mine:
            report(f"✓ {item:5} {BY_HAND.get(item, '')}".rstrip())
    warned = sum(not each.reason for each in found)
    report(f"{warned} warnings, {len({each.item for each in found if each.reason})} items with a named exception")
    return 1 if warned else 0
