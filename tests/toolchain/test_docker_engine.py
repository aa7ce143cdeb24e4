"""The engine's step: what it does on which machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.setup import docker_engine
from toolchain.shell import Answer, ToolchainError

ANSWERS = {"docker version": Answer(0, "20.10.24 (API 1.41, amd64)")}


def test_an_engine_that_answers_is_used(tmp_path: Path) -> None:
    """Whoever started it."""
    assert docker_engine.step(machine(tmp_path), FakeShell(ANSWERS)).done() == "20.10.24 (API 1.41, amd64)"


def test_a_remote_engine_is_never_replaced_by_a_local_one(tmp_path: Path) -> None:
    """DOCKER_HOST is the user's decision: nothing is installed or started behind it."""
    shell = FakeShell()
    with pytest.raises(ToolchainError, match="DOCKER_HOST=tcp://elsewhere:2375"):
        docker_engine.step(machine(tmp_path, DOCKER_HOST="tcp://elsewhere:2375"), shell).do()
    assert shell.ran == []


def test_macos_is_told_what_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No attempt is made to install an engine there."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ToolchainError, match="Docker Desktop"):
        docker_engine.step(machine(tmp_path), FakeShell()).do()


def test_without_root_the_user_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No sudo without a password, no engine: the message has the command."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolchainError, match=r"apt-get install docker\.io iptables"):
        docker_engine.step(machine(tmp_path), FakeShell()).do()


def test_the_service_manager_starts_it_where_one_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With systemd, no process of ours is left behind; it is started as root."""
    shell = FakeShell({"systemctl is-system-running": Answer(1, "degraded"), "sudo -n true": Answer(0, "")})
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    shell.effect = lambda _command, _cwd: setattr(shell, "answers", ANSWERS)
    assert docker_engine.step(machine(tmp_path), shell).do() == "20.10.24 (API 1.41, amd64), started"
    assert shell.ran == ["sudo -n systemctl start docker"]


@pytest.mark.parametrize(
    ("rule", "options"),
    [("-C PREROUTING", ["--userland-proxy=false"]), ("-I PREROUTING", ["--userland-proxy=false"]), ("no rule", [])],
)
def test_published_ports_are_the_kernels_where_a_rule_guards_the_loopback(
    rule: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule is there or is made before the engine starts; where it can't be, the engine keeps its proxy."""
    shell, started = FakeShell({f"-t raw {rule}": Answer(0, "")}), list[list[str]]()
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def start(command: list[str], **_: object) -> None:
        started.append(command)
        shell.answers = ANSWERS

    monkeypatch.setattr(subprocess, "Popen", start)
    docker_engine.step(machine(tmp_path), shell).do()
    assert started == [["dockerd", *options]]


def test_containers_get_their_weight_where_one_group_has_them_all(tmp_path: Path) -> None:
    """Before the first container, in version 1 of control groups; elsewhere nothing is made."""
    command = ["sh", "-c", docker_engine.WEIGH.replace("/sys/fs/cgroup/cpu", str(tmp_path))]
    assert subprocess.run(command, check=False).returncode != 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cpu.shares").write_text("1024\n")
    subprocess.run(command, check=True)
    assert (tmp_path / "docker" / "cpu.shares").read_text() == "8192\n"
