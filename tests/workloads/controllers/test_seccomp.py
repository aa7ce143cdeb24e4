"""The seccomp profile's shape, and who gets it; tests/integration/controllers/test_seccomp.py sees it at work."""

import errno
import json
from typing import Any

import pytest

from workloads.controllers.engines import docker_options, seccomp
from workloads.plans.container import ContainerSpec, Mount, Resources

PLAIN = "no-new-privileges:true"


def rules(name: str) -> list[dict[str, Any]]:
    """The profile's rules about a system call."""
    return [rule for rule in json.loads(seccomp.profile())["syscalls"] if name in rule["names"]]


@pytest.mark.parametrize(
    "name",
    ["symlink", "symlinkat", "io_uring_setup", "mknod", "mknodat", "mount", "unshare", "setns", "open_by_handle_at"],
)
def test_denied_whatever_the_arguments(name: str) -> None:
    """Links, nodes, io_uring (which makes links unseen) and what opens other namespaces fail with EPERM."""
    (rule,) = rules(name)
    assert (rule["action"], rule["errnoRet"], rule["args"]) == ("SCMP_ACT_ERRNO", errno.EPERM, [])


def test_clone_makes_threads_and_processes_but_no_namespaces() -> None:
    """Each flag that would make a namespace is denied by itself; a thread's and a fork's flags match no rule."""
    masks = [rule["args"][0]["value"] for rule in rules("clone")]
    assert all(rule["args"][0] == {"index": 0, "op": "SCMP_CMP_MASKED_EQ", "value": mask, "valueTwo": mask}
               for rule, mask in zip(rules("clone"), masks, strict=True))  # fmt: skip
    assert sum(masks) == 0x7E020000  # all the CLONE_NEW* of linux/sched.h that clone takes
    thread, fork = 0x3D0F00, 0x1200011  # as glibc calls it
    assert not any(flags & mask == mask for mask in masks for flags in (thread, fork))


def test_clone3_is_not_there() -> None:
    """ENOSYS makes libc take clone, whose flags the filter sees; EPERM would make every thread fail."""
    assert [rule["errnoRet"] for rule in rules("clone3")] == [errno.ENOSYS]


def test_only_the_machines_own_calls() -> None:
    """All else is allowed, but 32-bit and x32 calls, whose numbers the rules don't know, are not among it."""
    profile = json.loads(seccomp.profile())
    assert profile["defaultAction"] == "SCMP_ACT_ALLOW"
    assert profile["archMap"] == [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
    ]


@pytest.mark.parametrize("read_only", [False, True])
def test_who_gets_it(read_only: bool) -> None:
    """A container with a part of a volume, even read-only, gets the profile; any other keeps Docker's own."""
    plain = ContainerSpec("x", "i", Resources(1, 1))
    assert docker_options.host(plain)["security_opt"] == [PLAIN]
    mounted = ContainerSpec("x", "i", Resources(1, 1), mounts=(Mount("v", "/gcs/b", "b", read_only),))
    assert docker_options.host(mounted)["security_opt"] == [PLAIN, f"seccomp={seccomp.profile()}"]
