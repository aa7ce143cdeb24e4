"""A small Pulumi project of its own for each test, run by the real CLI with the checkout's language host."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from toolchain.machine import Machine

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT = 120
PROGRAM = """
import pulumi

class Thing(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("test:index:Thing", name)
        self.register_outputs({})

for index in range(3):
    Thing(f"thing-{index}")
print("said by the program")
config = pulumi.Config()
pulumi.export("greeting", config.get("greeting"))
pulumi.export("password", config.get_secret("password"))
"""
POLICY = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def validate(args, report):
    if args.name == "thing-1":
        report("thing-1 is not allowed")

PolicyPack(
    name="test",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[ResourceValidationPolicy(name="no-thing-1", description="No thing-1.", validate=validate)],
)
"""


@dataclass(frozen=True)
class Project:
    """A project folder with a backend, a passphrase and a mark that all its processes carry."""

    folder: Path
    environment: dict[str, str]
    mark: str

    def program(self, text: str) -> None:
        """Replace the program."""
        (self.folder / "infra" / "__main__.py").write_text(text)

    def pulumi(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run Pulumi to its end; stdout and stderr together, as a user sees them."""
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start Pulumi, in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def processes(self) -> list[int]:
        """Every process on this machine that was started, however indirectly, by this project's Pulumi."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except (OSError, PermissionError):
                continue  # it has ended in the meantime, or is another user's
        return found

    def wait_gone(self, seconds: float) -> list[int]:
        """The processes that are still there after so long."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with `main: infra`, `stackConfigDir: stacks`, a policy pack, and the stack `test`."""
    machine = Machine(ROOT, dict(os.environ))
    if not machine.pulumi.exists():
        pytest.fail("Pulumi is not set up in this checkout: make setup")
    for folder in ("infra", "stacks", "policies", "state"):
        (tmp_path / folder).mkdir()
    runtime = f"runtime: {{name: python, options: {{virtualenv: {machine.venv}}}}}"
    (tmp_path / "Pulumi.yaml").write_text(f"name: small\n{runtime}\nmain: infra\nstackConfigDir: stacks\n")
    (tmp_path / "policies" / "PulumiPolicy.yaml").write_text(f"{runtime}\n")
    (tmp_path / "policies" / "__main__.py").write_text(POLICY)
    mark = uuid.uuid4().hex
    environment = {
        **machine.pulumi_environment(),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "only for this test",
        "CAIRN_TEST_MARK": mark,
    }
    environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    made = Project(tmp_path, environment, mark)
    made.program(PROGRAM)
    assert made.pulumi("stack", "init", "test").returncode == 0
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)
