"""Runs HAProxy as a child: start, check, reload without losing a connection, stop. Used by the agent."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from workloads.gateway.config import LOG_FD, MEASURES_FD, Places

_RELOAD_TIMEOUT_S: Final = 20.0
_ANSWER_TIMEOUT_S: Final = 5.0
_BACKENDS: Final = 2  # of the kinds of things that `show stat` tells of


class HAProxyError(Exception):
    """HAProxy refused a configuration or doesn't answer; the text holds its own words."""


@dataclass(frozen=True)
class Processes:
    """Process ids that the master tells; `current` have the newest configuration."""

    current: frozenset[int]
    old: frozenset[int]


def parse_processes(text: str) -> Processes:
    """The answer of the master's `show proc`. Pure."""
    current: set[int] = set()
    old: set[int] = set()
    section = ""
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#"):
            section = line
        elif len(words) > 1 and words[1] == "worker":
            (old if "old" in section else current).add(int(words[0]))
    return Processes(frozenset(current), frozenset(old))


def _word(text: str) -> str:
    """The text as one word of a command."""
    return re.sub(r"([^\w-])", r"\\\1", text)


class HAProxy:
    """One HAProxy in master-worker mode.

    Args:
        measures: the file descriptor that takes its lines on predictions.
        log: the one that takes those that are logged.
    """

    def __init__(self, places: Places, measures: int, log: int) -> None:
        self._places = places
        for number, target in ((measures, MEASURES_FD), (log, LOG_FD)):
            os.dup2(number, target, inheritable=True)
        # The resolver's own limits: a name that is gone must not hold up a reload.
        self._environment = {**os.environ, "RES_OPTIONS": "timeout:1 attempts:1"}
        self._process: subprocess.Popen[bytes] | None = None

    def check(self) -> None:
        """Have HAProxy judge the configuration in place.

        Raises:
            HAProxyError: it refuses it.
        """
        command = ["haproxy", "-c", "-f", str(self._places.config)]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HAProxyError(f"HAProxy refuses the configuration: {done.stderr.strip()}")

    def start(self) -> None:
        """Start it; returns once it serves."""
        Path(self._places.server_state).touch()
        master = f"{self._places.master_socket},mode,600"
        command = ["haproxy", "-W", "-S", master, "-f", str(self._places.config)]
        self._process = subprocess.Popen(command, env=self._environment, pass_fds=[MEASURES_FD, LOG_FD])
        for number in (MEASURES_FD, LOG_FD):  # it has its own now, whose end is to be seen by who reads
            os.close(number)
        self._await_new_worker(frozenset())

    def reload(self) -> None:
        """Have new workers take over the listening sockets; returns once they serve and the old pass predictions on.

        Raises:
            HAProxyError: they don't; the old ones keep serving.
        """
        before = self.processes()
        for pid in before.current:
            Path(self._places.server_state).write_text(self._ask(f"@!{pid} show servers state"), encoding="utf-8")
        self._signal(signal.SIGUSR2)
        self._await_new_worker(before.current | before.old)
        for pid in before.current:
            self._ask(f"@!{pid} add map {self._places.handover} old yes")

    @property
    def is_started(self) -> bool:
        """Whether `start` was called."""
        return self._process is not None

    def set_key(self, slot: int, key: str) -> None:
        """Verify with this key from now on, in every worker.

        Raises:
            HAProxyError: a worker refuses it.
        """
        text = _word(key)
        for pid in self._workers():
            said = self._ask(f"@!{pid} set map {self._places.keys} {slot} {text}").strip()
            if said and pid in self.processes().current:
                raise HAProxyError(f"HAProxy does not take key {slot}: {said.replace(text, '…')}")

    def set_people(self, entries: Sequence[str]) -> None:
        """Take the tokens that these entries name, and no others, from now on, in every worker: all at once.

        Raises:
            HAProxyError: a worker refuses them.
        """
        for pid in self._workers():
            said = self._replaced(pid, self._places.people, entries)
            if said and pid in self.processes().current:
                raise HAProxyError(f"HAProxy does not take who may use the stack: {said}")

    def _replaced(self, pid: int, file: PurePath, entries: Sequence[str]) -> str:
        """Put these keys in place of a map's; what the worker says that is no success."""
        said = self._ask(f"@!{pid} prepare map {file}").strip()
        made = re.fullmatch(r"New version created: (\d+)", said)
        if not made:
            return said or "nothing"
        commands = (f"add map @{made[1]} {file} {_word(entry)} yes" for entry in entries)
        answers = (self._ask(f"@!{pid} {each}").strip() for each in (*commands, f"commit map @{made[1]} {file}"))
        return next(filter(None, answers), "")

    def is_serving(self) -> bool:
        """Whether a worker answers."""
        try:
            return any(self._answers(pid) for pid in self.processes().current)
        except (HAProxyError, OSError):
            return False

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait() if self._process else 0

    def stop(self) -> None:
        """Ask it to end once the requests under way are answered."""
        self._signal(signal.SIGUSR1)

    def _workers(self) -> frozenset[int]:
        """All of them, old ones too."""
        processes = self.processes()
        return processes.current | processes.old

    def processes(self) -> Processes:
        """Who is there."""
        return parse_processes(self._ask("show proc"))

    def statistics(self) -> list[str]:
        """What each worker, old ones too, counts of its backends: the CSV of `show stat`."""
        return [self._ask(f"@!{pid} show stat -1 {_BACKENDS} -1") for pid in self._workers()]

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)

    def _await_new_worker(self, known: frozenset[int]) -> None:
        deadline = time.monotonic() + _RELOAD_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process and self._process.poll() is not None:
                raise HAProxyError(f"HAProxy ended with exit code {self._process.returncode}; its own message is above")
            try:
                if any(self._answers(pid) for pid in self.processes().current - known):
                    return
            except OSError:
                pass  # the master makes its socket anew while it starts
            time.sleep(0.02)
        raise HAProxyError(
            f"no new worker of HAProxy answered within {_RELOAD_TIMEOUT_S:.0f} s; the old one goes on serving"
        )

    def _answers(self, pid: int) -> bool:
        return f"Pid: {pid}" in self._ask(f"@!{pid} show info")

    def _ask(self, command: str) -> str:
        """One command to the master's socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_TIMEOUT_S)
            connection.connect(str(self._places.master_socket))
            connection.sendall(command.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer.decode()
