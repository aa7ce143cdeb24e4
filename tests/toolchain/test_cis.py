"""The CIS Docker Benchmark's container section, on what `docker inspect` says."""

import copy
from typing import Any

import pytest

from tests.toolchain.fakes import FakeShell
from toolchain.shell import Answer, ToolchainError
from toolchain.stack import cis

PROFILES = ["name=apparmor", "name=selinux", "name=seccomp,profile=default"]
GOOD: dict[str, Any] = {
    "Name": "/cairn-s-api",
    "AppArmorProfile": "docker-default",
    "ProcessLabel": "system_u:system_r:container_t:s0",
    "Config": {"Labels": {"cairn.kind": "something"}, "Healthcheck": {"Test": ["CMD", "true"]}},
    "Mounts": [{"Type": "bind", "Source": "/var/lib/docker/volumes/v/_data", "Propagation": "rprivate"}],
    "NetworkSettings": {"Networks": {"cairn-s-platform": {}}},
    "HostConfig": {
        "SecurityOpt": ["no-new-privileges:true"], "CapDrop": ["ALL"], "CapAdd": None, "Privileged": False,
        "PublishAllPorts": False, "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]},
        "NetworkMode": "cairn-s-platform", "PidMode": "", "IpcMode": "private", "UTSMode": "", "UsernsMode": "",
        "Memory": 1, "NanoCpus": 1, "CpuShares": 0, "ReadonlyRootfs": True, "Devices": [], "CgroupParent": "",
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 5}, "PidsLimit": 100,
    },
}  # fmt: skip
BAD: dict[str, dict[str, Any]] = {
    "5.2": {"AppArmorProfile": ""},
    "5.3": {"ProcessLabel": ""},
    "5.4": {"HostConfig": {"CapDrop": ["NET_RAW"]}},
    "5.5": {"HostConfig": {"Privileged": True}},
    "5.6": {"Mounts": [{"Type": "bind", "Source": "/etc/"}]},
    "5.8": {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "80"}]}}},
    "5.9": {"HostConfig": {"PublishAllPorts": True}},
    "5.10": {"HostConfig": {"NetworkMode": "host"}},
    "5.11": {"HostConfig": {"Memory": 0}},
    "5.12": {"HostConfig": {"NanoCpus": 0}},
    "5.13": {"HostConfig": {"ReadonlyRootfs": False}},
    "5.14": {"HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}}},
    "5.15": {"HostConfig": {"RestartPolicy": {"Name": "unless-stopped", "MaximumRetryCount": 0}}},
    "5.16": {"HostConfig": {"PidMode": "host"}},
    "5.17": {"HostConfig": {"IpcMode": "host"}},
    "5.18": {"HostConfig": {"Devices": [{"PathOnHost": "/dev/sda"}]}},
    "5.20": {"Mounts": [{"Type": "bind", "Source": "/x", "Propagation": "shared"}]},
    "5.21": {"HostConfig": {"UTSMode": "host"}},
    "5.22": {"HostConfig": {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]}},
    "5.25": {"HostConfig": {"CgroupParent": "/mine"}},
    "5.26": {"HostConfig": {"SecurityOpt": None}},
    "5.27": {"Config": {"Healthcheck": None}},
    "5.29": {"HostConfig": {"PidsLimit": None}},
    "5.30": {"NetworkSettings": {"Networks": {"bridge": {}}}},
    "5.31": {"HostConfig": {"UsernsMode": "host"}},
    "5.32": {"Mounts": [{"Type": "bind", "Source": "/run/docker.sock"}]},
}


def changed(change: dict[str, Any], kind: str = "something") -> dict[str, Any]:
    """The good container with one thing wrong."""
    container = copy.deepcopy(GOOD)
    for part, value in change.items():
        container[part] = {**container[part], **value} if isinstance(value, dict) else value
    container["Config"]["Labels"] = {"cairn.kind": kind}
    return container


def test_a_good_container() -> None:
    """Nothing is found."""
    assert list(cis.findings([GOOD], PROFILES, "inactive")) == []


@pytest.mark.parametrize("item", cis.ITEMS)
def test_each_item_sees_its_fault(item: str) -> None:
    """Each fault is a warning of its own item and of no other, where nothing excuses it."""
    (found,) = cis.findings([changed(BAD[item])], PROFILES, "inactive")
    assert (found.item, found.container, found.reason) == (item, "cairn-s-api", "")


def test_what_the_kernel_lacks_is_named() -> None:
    """Without AppArmor in the engine's options it is excused; with it, a container without profile is a warning."""
    (found,) = cis.findings([changed(BAD["5.2"])], ["name=seccomp"], "inactive")
    assert found.reason == "this kernel has no AppArmor"


def test_exceptions_are_for_their_kinds() -> None:
    """The engine's socket is excused in the controllers, and nowhere else."""
    assert [each.reason != "" for each in cis.findings([changed(BAD["5.32"], "job_runner")], PROFILES, "")] == [True]
    assert [each.reason != "" for each in cis.findings([changed(BAD["5.32"], "gateway")], PROFILES, "")] == [False]


def test_a_swarm_is_told() -> None:
    """The engine itself is looked at, too."""
    assert [each.item for each in cis.findings([], PROFILES, "active")] == ["5.1"]


def test_nothing_to_look_at_is_no_success() -> None:
    """A stack of which nothing runs is refused."""
    with pytest.raises(ToolchainError, match="nothing of stack none runs"):
        cis.audit(FakeShell({"docker ps": Answer(0, "")}), "none")
