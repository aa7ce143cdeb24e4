"""Which commands the language host runs."""

import json
import sys
from pathlib import Path

import pytest
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2

from toolchain.language_host import dependencies, packages, programs


def _info(root: Path, **options: str) -> language_pb2.ProgramInfo:
    struct = Struct()
    struct.update(options)
    return language_pb2.ProgramInfo(
        root_directory=str(root), program_directory=str(root), entry_point="infra", options=struct
    )


def _environment(root: Path) -> Path:
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    return python


def test_the_projects_virtual_environment_runs_its_program(tmp_path: Path) -> None:
    """`runtime.options.virtualenv` is relative to the project."""
    python = _environment(tmp_path)
    request = language_pb2.RunRequest(
        project="p",
        stack="s",
        pwd=str(tmp_path),
        monitor_address="m",
        dryRun=True,
        parallel=4,
        info=_info(tmp_path, virtualenv=".venv"),
    )
    command = programs.program_command(request, "engine", Path("/exec"))
    assert command[:3] == [str(python), "-u", "/exec"]
    assert command[-1] == str(tmp_path / "infra")
    options = dict(zip(command[3:-1:2], command[4:-1:2], strict=True))
    assert options["--monitor"] == "m"
    assert options["--engine"] == "engine"
    assert options["--dry_run"] == "true"
    assert options["--parallel"] == "4"


def test_without_that_option_it_is_the_hosts_own_python(tmp_path: Path) -> None:
    """The environment that the set-up made."""
    assert programs.interpreter(_info(tmp_path)) == Path(sys.executable)


def test_a_missing_environment_is_named(tmp_path: Path) -> None:
    """The message has the folder, the option and the command that helps."""
    with pytest.raises(programs.NoInterpreterError, match=r"gone \(runtime\.options\.virtualenv: gone\).*make setup"):
        programs.interpreter(_info(tmp_path, virtualenv="gone"))


def test_config_is_not_on_the_command_line(tmp_path: Path) -> None:
    """Secrets in the config travel in the environment of the program alone."""
    request = language_pb2.RunRequest(
        config={"p:password": "geheim"}, configSecretKeys=["p:password"], info=_info(tmp_path)
    )
    assert "geheim" not in " ".join(programs.program_command(request, "engine", Path("/exec")))
    environment = programs.program_environment(request, {"HOME": "/h"})
    assert json.loads(environment["PULUMI_CONFIG"]) == {"p:password": "geheim"}
    assert json.loads(environment["PULUMI_CONFIG_SECRET_KEYS"]) == ["p:password"]
    assert environment["HOME"] == "/h"


def test_policy_packs_and_plugins_start_differently(tmp_path: Path) -> None:
    """A policy pack is hosted by the SDK's module; a plugin is a folder that Python runs."""
    pack = language_pb2.RunPluginRequest(kind="analyzer", args=["engine"], info=_info(tmp_path))
    assert programs.plugin_command(pack)[2:] == ["-m", "pulumi.policy", "engine", str(tmp_path / "infra")]
    plugin = language_pb2.RunPluginRequest(kind="resource", args=["engine"], info=_info(tmp_path))
    assert programs.plugin_command(plugin)[2:] == [str(tmp_path / "infra"), "engine"]


def test_a_plugins_environment_is_the_engines() -> None:
    """Values may contain equals signs."""
    request = language_pb2.RunPluginRequest(env=["A=1", "B=x=y"])
    assert programs.plugin_environment(request) == {"A": "1", "B": "x=y"}


def test_required_plugins_come_from_the_installed_sdks(tmp_path: Path) -> None:
    """Exact versions; packages that are no resource providers are left out."""
    for package, manifest in {
        "pulumi_docker": {"resource": True, "name": "docker", "version": "5.2.0"},
        "pulumi_aws_native": {"resource": True, "version": "1.0.0"},
        "pulumi_policy": {"resource": False, "name": "policy"},
    }.items():
        (tmp_path / package).mkdir()
        (tmp_path / package / packages.MANIFEST).write_text(json.dumps(manifest))
    found = {(plugin.name, plugin.version) for plugin in packages.required_plugins([tmp_path])}
    assert found == {("docker", "5.2.0"), ("aws-native", "1.0.0")}


def test_installing_touches_only_an_environment_that_is_missing(tmp_path: Path) -> None:
    """The host's own environment is locked; a project's is filled from its requirements once."""
    (tmp_path / "requirements.txt").touch()
    assert dependencies.commands(_info(tmp_path)) == []
    make, fill = dependencies.commands(_info(tmp_path, virtualenv=".venv"))
    assert make[1:3] == ["-m", "venv"]
    assert fill[-1] == str(tmp_path / "requirements.txt")
    _environment(tmp_path)
    assert dependencies.commands(_info(tmp_path, virtualenv=".venv")) == []
