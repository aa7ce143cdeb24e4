"""A small Pulumi project in a folder of its own, run by the real CLI with our language host and plugins."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGE = re.compile(
    r"^\s+(?:\d+ changes\. |\+-|[-+~=])?\s*(\d+) (created|updated|replaced|deleted|unchanged|to \w+|imported)\b",
    re.MULTILINE,
)
PREAMBLE = "import pulumi\nimport pulumi_docker as docker\nimport pulumi_random as random\n"


@dataclass(frozen=True)
class Outcome:
    """How a command of the CLI ended."""

    code: int
    text: str
    seconds: float = 0.0

    @property
    def changes(self) -> dict[str, int]:
        """The summary: {"created": 2, "unchanged": 1}."""
        summary = self.text.rpartition("Resources:")[2]
        return {what: int(count) for count, what in CHANGE.findall(summary)}

    def ok(self) -> "Outcome":
        """Fail the test with the CLI's output if the command failed."""
        assert self.code == 0, self.text
        return self


@dataclass(frozen=True)
class Project:
    """One project with one stack, `test`."""

    folder: Path
    environment: dict[str, str]

    def program(self, text: str) -> None:
        """Write what the project runs."""
        (self.folder / "__main__.py").write_text(PREAMBLE + text)

    def up(self) -> Outcome:
        """`pulumi up` without a preview before it."""
        return self.run("up", "--yes", "--skip-preview")

    def preview(self) -> Outcome:
        """`pulumi preview` with the properties that differ."""
        return self.run("preview", "--diff")

    def refresh(self) -> Outcome:
        """`pulumi refresh`."""
        return self.run("refresh", "--yes", "--skip-preview")

    def destroy(self) -> Outcome:
        """`pulumi destroy`."""
        return self.run("destroy", "--yes", "--skip-preview")

    def run(self, *arguments: str) -> Outcome:
        """Any command."""
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )
        return Outcome(done.returncode, done.stdout)

    def interrupt_up(self, when: Callable[[], bool]) -> Outcome:
        """`pulumi up`, interrupted as by Ctrl-C as soon as something is the case; `seconds` counts from there."""
        command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive"]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            deadline = time.monotonic() + 60
            while not when() and time.monotonic() < deadline:
                time.sleep(0.2)
            interrupted = time.monotonic()
            process.send_signal(signal.SIGINT)
            text, _ = process.communicate(timeout=60)
        return Outcome(process.returncode, text, time.monotonic() - interrupted)

    def state(self) -> str:
        """The state file's text, as it lies on the disk."""
        return (self.folder / "state/.pulumi/stacks" / self.folder.name / "test.json").read_text()

    def resource(self, name: str) -> dict[str, Any]:
        """A resource as the state has it."""
        resources = json.loads(self.state())["checkpoint"]["latest"]["resources"]
        found: dict[str, Any] = next(r for r in resources if r["urn"].endswith(f"::{name}"))
        return found
