"""The steps of the project's own cluster: what is built and installed, when, and what a failure leaves."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.machine import Machine
from toolchain.setup import kubernetes
from toolchain.shell import Answer, ToolchainError
from toolchain.steps import Step

ANSWERS = {"go env GOVERSION": Answer(0, "go1.26.8"), "env GOARCH": Answer(0, "amd64")}


@pytest.fixture(autouse=True)
def go_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")


def _here(root: Path) -> Machine:
    here = machine(root)
    for module in ("programs", "registry"):
        (root / "toolchain" / "cluster" / module).mkdir(parents=True)
        (root / "toolchain" / "cluster" / module / "go.mod").write_text("module x\n")
    return here


def _program(here: Machine, shell: FakeShell) -> Step:
    return kubernetes.steps(here, shell)[1]


def _build(command: Sequence[str], _cwd: Path | None) -> None:
    Path(command[command.index("-o") + 1]).write_text("program")


def test_all_programs_are_built_and_found_again(tmp_path: Path) -> None:
    """Without any change the next run builds nothing; a change of a source asks for all of it."""
    here, shell = _here(tmp_path), FakeShell(ANSWERS, effect=_build)
    assert _program(here, shell).done() is None
    _program(here, shell).do()
    folder = here.tools / "kubernetes"
    assert {path.name for path in folder.iterdir()} == {*kubernetes.PROGRAMS, "registry", "images.tar", ".cairn"}
    assert _program(here, shell).done() == str(folder)
    (tmp_path / "toolchain" / "cluster" / "programs" / "go.mod").write_text("module y\n")
    assert _program(here, shell).done() is None


def test_a_failed_build_keeps_what_was_built_before(tmp_path: Path) -> None:
    """And is not taken for finished."""
    here, shell = _here(tmp_path), FakeShell(ANSWERS, effect=_build, failing=["./volumes"])
    with pytest.raises(ToolchainError, match="GOPROXY"):
        _program(here, shell).do()
    assert (here.tools / "kubernetes" / "kube").read_text() == "program"
    assert _program(here, shell).done() is None


def test_only_missing_packages_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one command; a machine that has all needs none."""
    shell = FakeShell()
    packages = kubernetes.steps(_here(tmp_path), shell)[0]
    assert packages.done() == "there"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("ipset", "conntrack") else f"/bin/{name}")
    assert packages.done() is None
    packages.do()
    assert shell.ran[-1].endswith("conntrack ipset")


@pytest.mark.parametrize(
    ("user", "environ", "usable"), [(0, {}, True), (1000, {}, False), (0, {"KUBECONFIG": "mine"}, False)]
)
def test_where_tests_have_a_cluster_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, environ: dict[str, str], usable: bool
) -> None:
    """Root on Linux, and no cluster named."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert kubernetes.usable(Machine(tmp_path, environ)) is usable
