"""Which runtime serves a model and why; and the process that finds out, bounded in time and memory."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

VERDICT: Final = "verdict.json"
LONGEST_S: Final = 60.0
_SHARE: Final = 0.8  # of the memory that is left
_LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of cgroup v2, v1
_UNLIMITED: Final = 1 << 60


@dataclass(frozen=True)
class Verdict:
    """Whether ONNX Runtime serves the model, and the reason."""

    is_onnx: bool
    why: str

    def __str__(self) -> str:
        """For the log and the deployed model's message."""
        return f"{'ONNX Runtime' if self.is_onnx else 'the plain runtime'}, as {self.why}"


class Attempt:
    """A conversion in a process of its own, which imports its libraries while the server loads the model."""

    def __init__(self, path: Path, longest_s: float = LONGEST_S) -> None:
        self._path, self._longest_s = path, longest_s

    def __enter__(self) -> Self:
        """Start it."""
        self._folder = tempfile.TemporaryDirectory(prefix="onnx-")
        self.folder = Path(self._folder.name)
        command = [sys.executable, "-m", __package__, str(self._path), self._folder.name]
        # One thread: its many small predictions would only wait for each other's threads.
        env = {**os.environ, "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            text=True, env=env, start_new_session=True,
        )  # fmt: skip
        return self

    def finish(self, memory: int | None = None) -> Verdict:
        """Let it convert, and wait.

        Args:
            memory: bytes that it may take; by default most of what the container has left, 0 for no limit.
        """
        try:
            self._process.communicate(f"{_left() if memory is None else memory}\n", self._longest_s)
        except subprocess.TimeoutExpired:
            return Verdict(False, f"its conversion took longer than {self._longest_s:g} s")
        except BrokenPipeError:
            pass
        if not (self.folder / VERDICT).is_file():
            return Verdict(False, f"its conversion ended with code {self._process.returncode}")
        return Verdict(**json.loads((self.folder / VERDICT).read_text()))

    def __exit__(self, *_: object) -> None:
        """End it with all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._folder.cleanup()


def _left() -> int:
    """Most of the bytes that the container may still take, 0 where it has no limit."""
    for limit in _LIMITS:
        if Path(limit).is_file():
            text = Path(limit).read_text().strip()
            if text == "max" or int(text) > _UNLIMITED:
                return 0
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            return max(1, int((int(text) - used) * _SHARE))
    return 0
