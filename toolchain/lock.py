"""One set-up at a time in a checkout, one `make up` or `down` at a time of a stack.

Called by __main__.py. The kernel frees the lock when its holder ends, however it ends.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolchain.shell import ToolchainError


@contextmanager
def exclusive(path: Path, what: str, where: str = "in this checkout") -> Iterator[None]:
    """Hold the lock file while the block runs.

    Raises:
        ToolchainError: somebody else holds it; the message says who, and since when.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ToolchainError(f"{holder} is at work {where}", "wait until it has ended, then repeat") from None
        file.truncate(0)
        file.write(f"`{what}` (process {os.getpid()}, since {time.strftime('%H:%M:%S')})")
        file.flush()
        yield
