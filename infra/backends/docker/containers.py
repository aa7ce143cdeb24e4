"""What every container of this backend gets, whether a service or a planned workload: the hardening, limits and labels.

The rules are DESIGN.md's "Safe by default"; policies/ checks the result.
"""

from collections.abc import Mapping
from typing import Any, Final

import pulumi
import pulumi_docker as docker

from workloads import contract
from workloads.plans.container import Probe, Resources

# Pulumi's Docker schema has no pids limit, so it is the process limit of the user. That one counts a user's processes
# on the whole machine, and jobs share their user with the platform: it must be far above all of them together.
PROCESS_LIMIT: Final = 16384
ANSWERED: Final = "/tmp/.answered"  # noqa: S108  the container's own tmpfs
REST_S: Final = 25.0
LOG_OPTIONS: Final = {"max-size": "10m", "max-file": "3"}
MODE_SECRET: Final = "0400"


def hardened(resources: Resources) -> dict[str, Any]:
    """Arguments of docker.Container that no container goes without."""
    return {
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges:true"],
        "cpus": f"{resources.cpu:g}",
        "memory": resources.memory_mib,
        "memory_swap": resources.memory_mib,  # equal: no swap
        "ulimits": [docker.ContainerUlimitArgs(name="nproc", soft=PROCESS_LIMIT, hard=PROCESS_LIMIT)],
        "device_requests": _gpus(resources.gpus),
        "log_driver": "json-file",
        "log_opts": LOG_OPTIONS,
        "must_run": True,
        "init": True,
    }


def _gpus(count: int) -> list[docker.ContainerDeviceRequestArgs] | None:
    return [docker.ContainerDeviceRequestArgs(driver="nvidia", count=count, capabilities=["gpu"])] if count else None


def tmpfs(sizes: Mapping[str, int], execute: str = "noexec") -> dict[str, str]:
    """Scratch folders in memory, MiB each; only users' own images may run programs from there."""
    return {path: f"rw,{execute},nosuid,nodev,mode=1777,size={size}m" for path, size in sizes.items()}


def container_labels(labels: Mapping[str, pulumi.Input[str]]) -> list[docker.ContainerLabelArgs]:
    """Labels in a stable order."""
    return [docker.ContainerLabelArgs(label=key, value=value) for key, value in sorted(labels.items())]


def secret_uploads(files: Mapping[str, Any], user: str) -> list[docker.ContainerUploadArgs]:
    """Files written before the start, which only the container's user ("uid:gid") can read: path → content."""
    owner, _, group = user.partition(":")
    return [
        docker.ContainerUploadArgs(
            file=path,
            content=pulumi.Output.secret(content),
            permissions=MODE_SECRET,
            owner=owner,
            group=group or owner,
        )
        for path, content in sorted(files.items())
    ]


def healthcheck(probe: Probe | None) -> docker.ContainerHealthcheckArgs | None:
    """The engine runs the probe inside the container, so no port is published for it; our images have bash.

    It begins a second after the start and is repeated every second, so nobody waits for what is up. But each run starts
    a process in the container, so once the service has answered, a run rests first.
    """
    if probe is None:
        return None
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", "bash", "-c", probe_script(probe, ANSWERED, REST_S)],
        interval="1s",
        timeout=f"{REST_S + probe.timeout_s:g}s",
        retries=probe.failures,
        start_period="120s",
    )


def probe_script(probe: Probe, answered: str, rest_s: float) -> str:
    """The shell opens the connection itself: a tenth of what starting an HTTP client costs.

    Args:
        answered: the file that says that the run before was answered; gone with the container's next start.
    """
    rest = f"[[ -e {answered} ]] && rm {answered} && sleep {rest_s:g}"
    connect = f"exec 3<>/dev/tcp/127.0.0.1/{probe.port}"
    if not probe.path:
        return f"{rest}; {connect} && : > {answered}"
    ask = f"printf 'GET {probe.path} HTTP/1.0\\r\\n\\r\\n' >&3; read -r -t {probe.timeout_s:g} _ status _ <&3"
    return f"{rest}; {connect}; {ask}; [[ $status == 200 ]] && : > {answered}"


def secrets_path(name: str) -> str:
    """Where a service finds a secret."""
    return f"{contract.SECRETS_DIR}/{name}"
