"""Runs commands: long ones into a log file whose end is shown when they fail, short ones for their answer.

Called by every set-up step; tests put a fake in its place.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

TAIL_LINES = 15


class ToolchainError(Exception):
    """What went wrong and what the user can do about it; shown without a traceback."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n  → {remedy}")


@dataclass(frozen=True)
class Answer:
    """What a short command said."""

    code: int
    text: str


class Shell(Protocol):
    """What steps need of a shell."""

    def ask(self, command: Sequence[str], timeout: float = 10, env: Mapping[str, str] | None = None) -> Answer:
        """Run a short command; one that is not there or takes too long answers a non-zero code."""
        ...

    def run(
        self,
        log: str,
        command: Sequence[str],
        remedy: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
    ) -> None:
        """Run a long command with its output in the log of that name.

        Raises:
            ToolchainError: it failed; the message has the end of its output, the log's path and the remedy.
        """
        ...


@dataclass(frozen=True)
class RealShell:
    """The shell of this machine."""

    logs: Path
    environ: Mapping[str, str]

    def ask(self, command: Sequence[str], timeout: float = 10, env: Mapping[str, str] | None = None) -> Answer:
        """See Shell."""
        merged = {**self.environ, **(env or {})}
        try:
            done = subprocess.run(
                command,
                env=merged,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return Answer(127, str(problem))
        return Answer(done.returncode, (done.stdout + done.stderr).strip())

    def run(
        self,
        log: str,
        command: Sequence[str],
        remedy: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
    ) -> None:
        """See Shell."""
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.logs / f"{log}.log"
        merged = {**self.environ, **(env or {})}
        with path.open("ab") as out:
            out.write(f"\n$ {' '.join(command)}\n".encode())
            out.flush()
            start = out.tell()
            problem = _outcome(command, merged, cwd, timeout, out.fileno())
        if problem:
            raise ToolchainError(
                f"`{' '.join(command[:6])}` {problem}; the end of {path}:\n{_tail(path, start)}", remedy
            )


def _outcome(command: Sequence[str], env: Mapping[str, str], cwd: Path | None, timeout: float | None, out: int) -> str:
    try:
        done = subprocess.run(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=timeout, check=False
        )
    except OSError as problem:
        return f"did not start ({problem})"
    except subprocess.TimeoutExpired:
        return f"took longer than {timeout:.0f} s"
    return f"failed with exit code {done.returncode}" if done.returncode else ""


def _tail(path: Path, start: int) -> str:
    with path.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])
