"""The Python environment's step, and the lock files that it installs."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.toolchain.fakes import FakeShell, machine
from toolchain.setup import virtualenv
from toolchain.shell import Answer, ToolchainError

ROOT = Path(__file__).resolve().parents[2]
READY = {"-m pip --version": Answer(0, "pip 25")}


def test_installs_locked_requirements_then_the_project(tmp_path: Path) -> None:
    """Everything that comes from an index is checked by hash; a second run has nothing to do."""
    here = machine(tmp_path)
    here.python.parent.mkdir(parents=True)
    here.python.touch()
    shell = FakeShell(READY)
    step = virtualenv.step(here, shell)
    assert step.done() is None
    assert "uv" in step.do()
    assert all("--require-hashes" in line for line in shell.ran if " -r " in line)
    assert "--editable" in shell.ran[-1]
    assert step.done() is not None


def test_a_changed_lock_installs_again(tmp_path: Path) -> None:
    """The stamp is a hash of the lock files."""
    here = machine(tmp_path)
    here.python.parent.mkdir(parents=True)
    here.python.touch()
    virtualenv.step(here, FakeShell(READY)).do()
    (tmp_path / "requirements" / "dev.txt").write_text("other\n")
    assert virtualenv.step(here, FakeShell(READY)).done() is None


def test_pip_does_it_where_uv_cannot(tmp_path: Path) -> None:
    """A machine that uv has no build for still gets the same locked packages."""
    here = machine(tmp_path)
    shell = FakeShell(READY, failing=["bin/uv"])
    assert "pip" in virtualenv.step(here, shell).do()
    assert any("-m pip install" in line and "dev.txt" in line for line in shell.ran)


def test_nothing_is_stamped_when_installing_fails(tmp_path: Path) -> None:
    """An interrupted or failed run is repeated, not believed."""
    here = machine(tmp_path)
    step = virtualenv.step(here, FakeShell(READY, failing=["pip install"]))
    with pytest.raises(ToolchainError, match="package index"):
        step.do()
    assert step.done() is None


def test_the_lock_has_every_requirement_of_the_project() -> None:
    """requirements/dev.txt was made from this pyproject.toml: each requirement is pinned at a version it allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lock = (ROOT / "requirements" / "dev.txt").read_text()
    pins = {name.lower(): version for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock, re.MULTILINE)}
    for requirement in map(Requirement, wanted):
        version = pins.get(requirement.name.lower().replace("_", "-"))
        assert version is not None, f"{requirement} is not locked: lock it as CONTRIBUTING.md says"
        assert requirement.specifier.contains(version), (
            f"locked {requirement.name} {version} is not {requirement.specifier}"
        )


@pytest.mark.parametrize("name", ["dev.txt", "build.txt", "example.txt", "uv.txt", "go.txt"])
def test_every_pin_has_a_hash_and_no_index_is_named(name: str) -> None:
    """A lock without hashes, or with a registry's address, does not get in."""
    text = (ROOT / "requirements" / name).read_text()
    pins = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
