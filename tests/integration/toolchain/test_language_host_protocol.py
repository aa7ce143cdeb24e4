"""The language host asked as the engine asks it, with an interpreter that only notes how it was started."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

from tests.support.environment import ROOT
from toolchain.machine import Machine

HOST = Machine(ROOT, {}).own_language_host
EXECUTOR, START = "/executor", "/later.py"
NOTING = f"""#!{sys.executable}
import json, os, pathlib, sys
noted = dict(arguments=sys.argv[1:], environment=dict(os.environ), folder=os.getcwd())
pathlib.Path({{file!r}}).write_text(json.dumps(noted))
print("said")
sys.exit({{code}})
"""
pytestmark = pytest.mark.skipif(not HOST.exists(), reason="Pulumi's own language host is installed")


class Stub(language_pb2_grpc.LanguageRuntimeStub):
    """The host of a test, with the folder of its interpreter."""

    def __init__(self, channel: grpc.Channel, folder: Path) -> None:
        super().__init__(channel)
        self.folder = folder

    def interpreter(self, environment: str, code: int = 0) -> Path:
        """An interpreter in an environment of that name."""
        python = self.folder / environment / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(NOTING.format(file=str(self.folder / "noted"), code=code))
        python.chmod(0o755)
        return python

    def noted(self) -> dict[str, object]:
        """How the last one was started."""
        return dict(json.loads((self.folder / "noted").read_text()))

    def info(self, **options: str) -> language_pb2.ProgramInfo:
        """A program of a project in the folder."""
        struct, root = Struct(), str(self.folder)
        struct.update(options)
        return language_pb2.ProgramInfo(
            root_directory=root, program_directory=root, entry_point="infra", options=struct
        )


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Stub]:
    """A running host; afterwards it is interrupted as the engine does it, and goes."""
    command = [str(HOST), str(tmp_path / "own" / "bin" / "python"), EXECUTOR, START, "-v=9", "engine:1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{process.stdout.readline().strip()}") as channel:
            yield Stub(channel, tmp_path)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(5)


def test_a_program_runs_in_its_projects_environment(host: Stub) -> None:
    """`runtime.options.virtualenv` is relative to the project; the config is in the environment, not on the command."""
    host.interpreter(".venv")
    request = language_pb2.RunRequest(
        project="p", stack="s", pwd=str(host.folder), monitor_address="m", dryRun=True, parallel=4, args=["more"],
        config={"p:password": "geheim"}, configSecretKeys=["p:password"], info=host.info(virtualenv=".venv"),
    )  # fmt: skip
    assert host.Run(request) == language_pb2.RunResponse()
    noted = host.noted()
    arguments, environment = noted["arguments"], noted["environment"]
    assert isinstance(arguments, list)
    assert isinstance(environment, dict)
    assert arguments[:3] == ["-u", START, EXECUTOR]
    assert arguments[-2:] == [str(host.folder / "infra"), "more"]
    assert dict(zip(arguments[3:-2:2], arguments[4:-2:2], strict=True)) == {
        "--monitor": "m", "--engine": "engine:1", "--project": "p", "--stack": "s", "--dry_run": "true",
        "--root_directory": str(host.folder), "--pwd": str(host.folder), "--parallel": "4",
    }  # fmt: skip
    assert json.loads(environment["PULUMI_CONFIG"]) == {"p:password": "geheim"}
    assert json.loads(environment["PULUMI_CONFIG_SECRET_KEYS"]) == ["p:password"]
    assert noted["folder"] == str(host.folder)


@pytest.mark.parametrize(("code", "error", "bail"), [(7, "the program exited with code 7", False), (32, "", True)])
def test_how_a_program_ended(host: Stub, code: int, error: str, bail: bool) -> None:
    """Without that option it is the set-up's interpreter; code 32 says that the user has seen why."""
    host.interpreter("own", code)
    assert host.Run(language_pb2.RunRequest(info=host.info())) == language_pb2.RunResponse(error=error, bail=bail)


def test_a_missing_environment_is_named(host: Stub) -> None:
    """The message has the folder, the option and the command that helps."""
    said = host.Run(language_pb2.RunRequest(info=host.info(virtualenv="gone"))).error
    assert said.startswith(f"{host.folder / 'gone'} (runtime.options.virtualenv: gone) has no bin/python")
    assert "make setup" in said


@pytest.mark.parametrize(
    ("kind", "started"),
    [("analyzer", ["-u", START, "-m", "pulumi.policy", "engine", "INFRA"]), ("resource", ["-u", "INFRA", "engine"])],
)
def test_plugins_start_as_their_kind_wants_it(host: Stub, kind: str, started: list[str]) -> None:
    """A policy pack by the SDK's module, a plugin as a folder; the environment is the engine's, the output passed."""
    host.interpreter("own", 3)
    environment = ["A=1", "B=x=y"]
    request = language_pb2.RunPluginRequest(
        kind=kind, args=["engine"], env=environment, info=host.info(), pwd=str(host.folder)
    )
    answers = list(host.RunPlugin(request))
    assert b"".join(answer.stdout for answer in answers) == b"said\n"
    assert answers[-1].exitcode == 3
    noted = host.noted()
    assert noted["arguments"] == [word.replace("INFRA", str(host.folder / "infra")) for word in started]
    assert {"A": "1", "B": "x=y"}.items() <= dict(noted["environment"]).items()  # type: ignore[call-overload]


def test_required_plugins_come_from_the_installed_sdks(host: Stub) -> None:
    """Exact versions; packages that are no resource providers are left out."""
    host.interpreter("own")
    packages = host.folder / "own" / "lib" / "python3.11" / "site-packages"
    for package, manifest in {
        "pulumi_docker": {"resource": True, "name": "docker", "version": "5.2.0"},
        "pulumi_aws_native": {"resource": True, "version": "1.0.0"},
        "pulumi_policy": {"resource": False, "name": "policy"},
    }.items():
        (packages / package).mkdir(parents=True)
        (packages / package / "pulumi-plugin.json").write_text(json.dumps(manifest))
    (packages / "pulumi-3.9.dist-info").mkdir()
    (packages / "pulumi-3.9.dist-info" / "METADATA").write_text("Name: pulumi\nVersion: 3.9\n\nVersion: 4\n")
    request = language_pb2.GetRequiredPackagesRequest(info=host.info())
    found = {(plugin.name, plugin.version) for plugin in host.GetRequiredPackages(request).packages}
    assert found == {("docker", "5.2.0"), ("aws-native", "1.0.0")}
    assert host.GetPluginInfo(Empty()).version == "3.9"


def test_installing_touches_only_an_environment_that_is_missing(host: Stub) -> None:
    """The set-up's environment is locked; a project's is made and filled from its requirements once."""
    host.interpreter("own")
    (host.folder / "requirements.txt").touch()
    list(host.InstallDependencies(language_pb2.InstallDependenciesRequest(info=host.info())))
    assert not (host.folder / "noted").exists()
    host.interpreter(".venv")
    request = language_pb2.InstallDependenciesRequest(info=host.info(virtualenv=".venv"))
    list(host.InstallDependencies(request))
    assert not (host.folder / "noted").exists()
    (host.folder / ".venv" / "bin" / "python").unlink()
    with pytest.raises(grpc.RpcError, match="-m pip install -r"):  # the noting one makes no environment
        list(host.InstallDependencies(request))
    assert host.noted()["arguments"] == ["-m", "venv", str(host.folder / ".venv")]
