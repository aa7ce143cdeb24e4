"""Which Pulumi is set up: installed, official, or built."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.toolchain.fakes import FakeShell, machine
from toolchain import versions
from toolchain.machine import Machine
from toolchain.setup import download, pulumi_cli
from toolchain.shell import Answer, ToolchainError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network without Pulumi's site."""
    monkeypatch.setattr(download, "reached", lambda _address: False)


def _builder(here: Machine, tmp_path: Path) -> FakeShell:
    """A Go that builds an empty program and has the SDK's module."""
    executor = tmp_path / "module" / "python" / "cmd" / pulumi_cli.EXECUTOR
    executor.parent.mkdir(parents=True)
    executor.write_text("executor")

    def build(command: Sequence[str], cwd: Path | None) -> None:
        Path(command[command.index("-o") + 1]).write_text("program")

    answers = {"go env": Answer(0, "go1.26.8"), "list -mod=readonly": Answer(0, str(tmp_path / "module"))}
    return FakeShell(answers, effect=build)


@pytest.mark.usefixtures("offline")
def test_built_where_the_site_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CLI, executor and our language host end side by side; go.sum is not allowed to change."""
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/go" if name == "go" else None)
    here = machine(tmp_path / "checkout")
    shell = _builder(here, tmp_path)
    step = pulumi_cli.step(here, shell)
    assert step.done() is None
    assert step.do() == f"{versions.PULUMI} (built from its Go module)"
    made = {"pulumi", pulumi_cli.HOST, here.own_language_host.name, pulumi_cli.EXECUTOR}
    assert {path.name for path in here.pulumi_bin.iterdir()} == made
    assert all("-mod=readonly" in command for command in shell.ran)
    assert step.done() is not None
    assert str(here.own_language_host) in (here.pulumi_bin / pulumi_cli.HOST).read_text()


def test_an_official_installation_is_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New enough and with its language host: nothing is built, and no language host of ours is put beside it."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    here = machine(tmp_path)
    shell = FakeShell({"pulumi version": Answer(0, "v3.300.1")})
    assert pulumi_cli.step(here, shell).do() == "3.300.1 (installed already)"
    assert here.pulumi.readlink() == Path("/usr/bin/pulumi")
    assert (here.pulumi_bin / pulumi_cli.HOST).readlink() == Path(f"/usr/bin/{pulumi_cli.HOST}")
    assert shell.ran == []


@pytest.mark.parametrize(
    ("said", "found"), [("v3.0.0", None), ("v3.259.0", "3.259.0"), ("v4.0.0", "4.0.0"), ("?", None)]
)
def test_how_new_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, found: str | None) -> None:
    """The version that would be built is the oldest that is used."""
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert pulumi_cli.installed_version(machine(tmp_path), FakeShell({"pulumi version": Answer(0, said)})) == found


@pytest.mark.usefixtures("offline")
def test_a_build_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old CLI stays usable until the new one is complete."""
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    here = machine(tmp_path)
    here.pulumi_bin.mkdir(parents=True)
    here.pulumi.write_text("old")
    with pytest.raises(ToolchainError):
        pulumi_cli.step(here, FakeShell(failing=["build"])).do()
    assert here.pulumi.read_text() == "old"
    assert [path.name for path in here.pulumi_bin.parent.iterdir() if path.name.startswith(".")] == []


def test_the_wrapper_passes_its_arguments_on(tmp_path: Path) -> None:
    """Folders with spaces and arguments with quotes reach the host as they are, behind what it runs."""
    here = machine(tmp_path / "a checkout")
    here.pulumi_bin.mkdir(parents=True)
    host = here.own_language_host
    host.write_text(f"#!{sys.executable}\nimport sys\nprint(sys.argv[1:])\n")
    host.chmod(0o755)
    pulumi_cli.write_language_host(here, tmp_path)
    said = subprocess.run(
        [tmp_path / pulumi_cli.HOST, "-v=9", "127.0.0.1:1 'x'"], capture_output=True, text=True, check=True
    )
    given = [here.python, here.pulumi_bin / pulumi_cli.EXECUTOR, here.root / "toolchain" / "later.py"]
    assert said.stdout.strip() == str([*map(str, given), "-v=9", "127.0.0.1:1 'x'"])


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("pulumi_cli", f"pulumi/pkg/v3 v{versions.PULUMI}"),
        ("versitygw", f"versitygw v{versions.VERSITYGW}"),
        ("compose", f"compose/v2 v{versions.COMPOSE}"),
        ("cluster/programs", f"k8s.io/kubernetes v{versions.KUBERNETES}"),
        ("cluster/programs", f"coredns/coredns v{versions.COREDNS}"),
        ("cluster/registry", f"distribution/v3 v{versions.REGISTRY}"),
    ],
)
def test_go_modules_ask_for_the_version_that_is_named(module: str, line: str) -> None:
    """versions.py and the committed go.mod files cannot drift apart."""
    assert line in (ROOT / "toolchain" / module / "go.mod").read_text()
