"""Lets this process and what it becomes open nothing but the folder of the objects and the server's own program.

Called by server.py before it becomes versitygw, which follows symbolic links: one to /run/secrets or /proc would hand
out the server's keys as an object. Jobs, which see buckets as folders, can't make links (their seccomp profile denies
it); the kernel's Landlock stops whatever gets past that, but for a link from one bucket into another: one folder.
"""

import ctypes
import errno
import logging
import os
import struct
from pathlib import Path
from typing import Final

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1
_PATH_BENEATH: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_EXECUTE: Final = 1 << 0
_READ_FILE: Final = 1 << 2
# Which rights on files each version of Landlock knows. The first could not allow moving a file between folders.
_RIGHTS: Final = {2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_OLDEST: Final = 2
_NEWEST_RIGHTS: Final = (1 << 16) - 1
_log = logging.getLogger(__name__)


def to(data: Path, program: Path) -> bool:
    """Allow everything below `data`, reading and running `program`, and no other file, until the process ends.

    Returns:
        Whether the kernel can do it; False, with a warning in the log, before Linux 5.19.

    Raises:
        OSError: it can, but refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
    if version < _OLDEST:
        _log.warning("the kernel has no Landlock: links that jobs make in buckets may reach this container's files")
        return False
    rights = _RIGHTS.get(version, _NEWEST_RIGHTS)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, struct.pack("Q", rights), ctypes.c_size_t(8), 0))
    for path, allowed in ((data, rights), (program, _EXECUTE | _READ_FILE)):
        file = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, file), 0))
        os.close(file)
    _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    return True


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno() or errno.EPERM
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
