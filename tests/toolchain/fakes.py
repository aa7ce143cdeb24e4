"""A shell and a machine for tests of the set-up: they note what they are asked and change nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.machine import Machine
from toolchain.shell import Answer, ToolchainError

MISSING = Answer(127, "no such file")
Effect = Callable[[Sequence[str], Path | None], None]


@dataclass
class FakeShell:
    """Answers by the first rule whose words are all in the command; long commands succeed unless a rule fails them."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    failing: Sequence[str] = ()
    effect: Effect | None = None
    ran: list[str] = field(default_factory=list)
    environments: list[Mapping[str, str]] = field(default_factory=list)

    def ask(self, command: Sequence[str], timeout: float = 10, env: Mapping[str, str] | None = None) -> Answer:
        """Answer by the first rule that fits."""
        text = " ".join(command)
        return next((answer for words, answer in self.answers.items() if words in text), MISSING)

    def run(
        self,
        log: str,
        command: Sequence[str],
        remedy: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
    ) -> None:
        """Note the command, and succeed or fail."""
        text = " ".join(command)
        self.ran.append(text)
        self.environments.append(env or {})
        if any(words in text for words in self.failing):
            raise ToolchainError(f"`{text}` failed", remedy)
        if self.effect:
            self.effect(command, cwd)


def machine(root: Path, **environ: str) -> Machine:
    """A checkout in an empty folder, with the committed files that steps read."""
    (root / "requirements").mkdir(parents=True)
    for name in ("dev.txt", "build.txt", "example.txt", "uv.txt", "go.txt"):
        (root / "requirements" / name).write_text(f"{name}\n")
    (root / "pyproject.toml").write_text("[project]\n")
    for module in ("pulumi_cli", "versitygw", "compose"):
        (root / "toolchain" / module).mkdir(parents=True)
        (root / "toolchain" / module / "go.mod").write_text("module x\n")
    return Machine(root, environ)
