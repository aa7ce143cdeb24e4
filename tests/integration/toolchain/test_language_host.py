"""The language host under the real Pulumi CLI: programs, policy packs, errors, and no process left behind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.integration.toolchain.conftest import Project

SLEEPS = "import time, pathlib\npathlib.Path('started').touch()\ntime.sleep(600)\n"


def _changes(said: "subprocess.CompletedProcess[str]") -> dict[str, int]:
    events = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    return dict(next(event["summaryEvent"]["resourceChanges"] for event in events if "summaryEvent" in event))


def _wait_started(project: Project, pulumi: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not any(path.exists() for path in (project.folder / "started", project.folder / "infra" / "started")):
        assert pulumi.poll() is None, pulumi.communicate()[0]
        assert time.monotonic() < deadline, "the program did not start"
        time.sleep(0.05)


def test_up_creates_and_a_second_up_changes_nothing(project: Project) -> None:
    """`main: infra` and the virtual environment are found; what the program prints reaches the user."""
    first = project.pulumi("up", "--yes", "--skip-preview")
    assert first.returncode == 0, first.stdout
    assert "said by the program" in first.stdout
    second = project.pulumi("up", "--yes", "--skip-preview", "--json")
    assert _changes(second) == {"same": 4}


def test_preview_changes_nothing(project: Project) -> None:
    """The program knows that it is a dry run, and the state stays empty."""
    project.program("import pulumi\nprint('dry run:', pulumi.runtime.is_dry_run())\n")
    said = project.pulumi("preview")
    assert said.returncode == 0, said.stdout
    assert "dry run: True" in said.stdout
    assert json.loads(project.pulumi("stack", "export").stdout)["deployment"].get("resources") is None


def test_config_and_secrets_reach_the_program(project: Project) -> None:
    """A secret is known to be one: its output is not shown."""
    assert project.pulumi("config", "set", "greeting", "hello").returncode == 0
    assert project.pulumi("config", "set", "--secret", "password", "geheim").returncode == 0
    said = project.pulumi("up", "--yes", "--skip-preview")
    assert 'greeting: "hello"' in said.stdout
    assert "[secret]" in said.stdout
    assert "geheim" not in said.stdout


def test_an_exception_is_shown_once_with_the_users_lines(project: Project) -> None:
    """The executor has shown it (exit code 32), so the host adds nothing."""
    project.program("def build():\n    raise ValueError('the number is wrong')\n\nbuild()\n")
    said = project.pulumi("up", "--yes", "--skip-preview")
    assert said.returncode != 0
    assert said.stdout.count("ValueError: the number is wrong") == 1
    assert "line 2, in build" in said.stdout
    assert "exited with code" not in said.stdout


def test_a_program_that_just_leaves_is_named(project: Project) -> None:
    """A silent non-zero exit is an error that says so."""
    project.program("import os\nos._exit(7)\n")
    said = project.pulumi("up", "--yes", "--skip-preview")
    assert said.returncode != 0
    assert "the program exited with code 7" in said.stdout


def test_a_missing_virtual_environment_says_what_to_do(project: Project) -> None:
    """Not a traceback of the host."""
    (project.folder / "Pulumi.yaml").write_text(
        "name: small\nruntime: {name: python, options: {virtualenv: gone}}\nmain: infra\n"
    )
    said = project.pulumi("preview", "--stack", "test")
    assert said.returncode != 0
    assert "run `make setup`" in said.stdout


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes", "--skip-preview")])
def test_a_mandatory_policy_stops_it(project: Project, command: tuple[str, ...]) -> None:
    """The policy pack runs in the language host; nothing forbidden is made."""
    said = project.pulumi(*command, "--policy-pack", "policies")
    assert said.returncode != 0
    assert "no-thing-1" in said.stdout
    assert "thing-1 is not allowed" in said.stdout
    resources = json.loads(project.pulumi("stack", "export").stdout)["deployment"].get("resources") or []
    assert not any(resource["urn"].endswith("thing-1") for resource in resources)


def test_refresh_and_destroy_run_the_program_when_asked(project: Project) -> None:
    """`--run-program` gives hooks and providers their code; afterwards nothing is left in the state."""
    assert project.pulumi("up", "--yes", "--skip-preview").returncode == 0
    refreshed = project.pulumi("refresh", "--yes", "--skip-preview", "--run-program")
    assert "said by the program" in refreshed.stdout
    destroyed = project.pulumi("destroy", "--yes", "--skip-preview", "--run-program")
    assert destroyed.returncode == 0, destroyed.stdout
    assert "said by the program" in destroyed.stdout
    assert json.loads(project.pulumi("stack", "export").stdout)["deployment"].get("resources") is None


def test_about_knows_the_dependencies(project: Project) -> None:
    """`pulumi about` lists what is installed, from the files, without pip."""
    said = json.loads(project.pulumi("about", "--json").stdout.partition("{")[2].join(["{", ""]))
    assert "pulumi" in {dependency["name"] for dependency in said["dependencies"]}


def test_plain_pulumi_leaves_no_process(project: Project) -> None:
    """Hosts and policy packs end with the command that started them."""
    project.pulumi("up", "--yes", "--skip-preview", "--policy-pack", "policies")
    assert project.wait_gone(2) == []


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_process(project: Project, number: signal.Signals) -> None:
    """However Pulumi itself ends, the host, the program and what that started end with it, without a traceback."""
    project.program("import subprocess\nsubprocess.Popen(['sleep', '600'])\n" + SLEEPS)
    pulumi = project.start("up", "--yes", "--skip-preview")
    _wait_started(project, pulumi)
    assert len(project.processes()) >= 4  # Pulumi, the host, the executor and sleep: the mark is found
    os.kill(pulumi.pid, number)
    said = pulumi.communicate(timeout=30)[0]
    assert project.wait_gone(5) == []
    assert "Traceback" not in said
