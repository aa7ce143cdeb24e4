"""Docker Compose: the CLI's own, or built; only for `make test`."""

import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain import __main__ as main
from toolchain import setup, versions
from toolchain.setup import compose
from toolchain.shell import Answer, ToolchainError
from toolchain.steps import Step

GO = {"go env": Answer(0, "go1.26.8")}


@pytest.fixture(autouse=True)
def _go_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")


def _build(command: Sequence[str], cwd: Path | None) -> None:
    Path(command[command.index("-o") + 1]).write_text("program")


def test_the_docker_clis_own_is_taken(tmp_path: Path) -> None:
    """Where `docker compose` answers there is nothing to do, and tests use it."""
    here, shell = machine(tmp_path), FakeShell({"docker compose version": Answer(0, "2.40.0")})
    assert compose.step(here, shell).done() == "2.40.0 (installed already)"
    assert compose.command(here, shell) == ["docker", "compose"]


def test_built_from_its_module_where_the_cli_has_none(tmp_path: Path) -> None:
    """The standalone program ends in the checkout; go.sum may not change; the next run finds it; no draft is left."""
    here, shell = machine(tmp_path), FakeShell(GO, effect=_build)
    step = compose.step(here, shell)
    assert step.done() is None
    assert step.do() == f"{versions.COMPOSE} (built from its Go module)"
    assert "-mod=readonly" in shell.ran[0]
    assert f"{compose.VERSION_VARIABLE}=v{versions.COMPOSE}" in shell.ran[0]
    program = here.tools / "compose" / "docker-compose"
    assert compose.command(here, shell) == [str(program)]
    assert step.done() == str(program)
    assert {path.name for path in program.parent.iterdir()} == {"docker-compose", ".cairn"}


def test_another_version_of_the_module_is_built_again(tmp_path: Path) -> None:
    """A changed go.mod makes the program that is there count as missing."""
    here, shell = machine(tmp_path), FakeShell(GO, effect=_build)
    compose.step(here, shell).do()
    (here.root / "toolchain" / "compose" / "go.mod").write_text("module y\n")
    assert compose.step(here, shell).done() is None


def test_a_failed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """The next run tries again."""
    here, shell = machine(tmp_path), FakeShell(GO, failing=["build"])
    step = compose.step(here, shell)
    with pytest.raises(ToolchainError, match="GOPROXY"):
        step.do()
    assert step.done() is None
    assert list((here.tools / "compose").iterdir()) == []


def test_only_tests_need_it_and_only_go_is_waited_for(tmp_path: Path) -> None:
    """`make up` never builds it; `make test` builds it beside the engine's and Pulumi's steps."""
    here, shell = machine(tmp_path), FakeShell()
    up = [step.name for step in setup.all_steps(here, shell)]
    tests = setup.steps_for_tests(here, shell)
    assert [step.name for step in tests][: len(up) + 1] == [*up, compose.NAME]
    assert tests[len(up)].needs == ("Go toolchain",)


@pytest.mark.parametrize(("command", "asked"), [("setup", False), ("up", False), ("test", True)])
def test_which_commands_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, asked: bool) -> None:
    """`make test` sets it up; other commands don't."""
    ran: list[Step] = []
    monkeypatch.setattr(main, "run", lambda steps, _report: ran.extend(steps))
    main.setup(Namespace(command=command), machine(tmp_path))
    assert (compose.NAME in [step.name for step in ran]) is asked
