"""Which system calls a container may not make when it has a part of the object store's volume.

Called by docker_options.py. A symbolic link that a job makes in its bucket's folder would lead the object store, which
follows links, into other buckets: such containers can make none. Docker takes one profile only, so this one also denies
what Docker's own does, as its documentation lists it ("Significant syscalls blocked by the default profile").
"""

import errno
import json
from collections.abc import Iterable
from typing import Any, Final

# io_uring makes links too, and no filter sees what is asked through it. The object store's GET of a named pipe never
# ends, so there are none.
LINKS_AND_NODES: Final = (
    "symlink", "symlinkat", "mknod", "mknodat", "io_uring_enter", "io_uring_register", "io_uring_setup",
)  # fmt: skip
# What Docker's documentation lists, but for clone and personality (below).
DOCKERS: Final = (
    "_sysctl", "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module", "delete_module",
    "finit_module", "get_kernel_syms", "get_mempolicy", "init_module", "ioperm", "iopl", "kcmp", "kexec_file_load",
    "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "move_pages", "nfsservctl", "open_by_handle_at",
    "perf_event_open", "pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "query_module", "quotactl",
    "reboot", "request_key", "set_mempolicy", "setns", "settimeofday", "stime", "swapoff", "swapon", "sysfs", "umount",
    "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vm86", "vm86old",
)  # fmt: skip
# What came later than that list or does much the same; jobs, without capabilities, have little use for any of it.
KIN_OF_DOCKERS: Final = (
    "chroot", "clock_adjtime64", "clock_settime64", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick",
    "migrate_pages", "mount_setattr", "move_mount", "open_tree", "pidfd_getfd", "quotactl_fd",
    "set_mempolicy_home_node", "syslog", "vhangup",
)  # fmt: skip
NAMESPACE_FLAGS: Final = {
    "CLONE_NEWNS": 0x00020000,
    "CLONE_NEWCGROUP": 0x02000000,
    "CLONE_NEWUTS": 0x04000000,
    "CLONE_NEWIPC": 0x08000000,
    "CLONE_NEWUSER": 0x10000000,
    "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000,
}
_ASK_PERSONALITY: Final = 0xFFFFFFFF  # changes nothing; any other value does
_AF_VSOCK: Final = 40  # leads to the machine's hypervisor, whatever network the container is in
# The 32-bit and x32 calls of these machines have numbers of their own: not being listed, they kill their caller.
_ARCHITECTURES: Final = ("SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64")


def profile() -> str:
    """The profile, as Docker's `seccomp=` takes it."""
    denied = sorted({*LINKS_AND_NODES, *DOCKERS, *KIN_OF_DOCKERS})
    rules = [
        _deny(denied),
        *(_deny(["clone"], [_argument("SCMP_CMP_MASKED_EQ", flag, flag)]) for flag in NAMESPACE_FLAGS.values()),
        # Its flags are behind a pointer, where no filter sees them; told that it is not there, libc takes clone.
        _deny(["clone3"], number=errno.ENOSYS),
        _deny(["personality"], [_argument("SCMP_CMP_NE", _ASK_PERSONALITY)]),
        _deny(["socket"], [_argument("SCMP_CMP_EQ", _AF_VSOCK)]),
    ]
    architectures: list[dict[str, Any]] = [{"architecture": name, "subArchitectures": []} for name in _ARCHITECTURES]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "archMap": architectures, "syscalls": rules})


def _deny(names: Iterable[str], args: Iterable[dict[str, Any]] = (), number: int = errno.EPERM) -> dict[str, Any]:
    return {"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": number, "args": list(args)}


def _argument(compare: str, value: int, masked: int = 0) -> dict[str, Any]:
    """A condition on the call's first argument."""
    return {"index": 0, "op": compare, "value": value, "valueTwo": masked}
