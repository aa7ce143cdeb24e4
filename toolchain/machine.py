"""Where things are and what the user has set: read once, handed to every step.

Called by __main__.py and tests.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

STACK_VARIABLES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@dataclass(frozen=True)
class Machine:
    """This checkout on this machine."""

    root: Path
    environ: Mapping[str, str]

    @property
    def home(self) -> Path:
        """Everything that the set-up makes and git ignores, beside `.venv`."""
        return self.root / ".cairn"

    @property
    def tools(self) -> Path:
        """What is downloaded or built."""
        return self.home / "tools"

    @property
    def logs(self) -> Path:
        """What long commands print, a file for each step."""
        return self.home / "logs"

    @property
    def venv(self) -> Path:
        """The Python environment."""
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        """Its interpreter: the one of programs, plugins and tests."""
        return self.venv / "bin" / "python"

    @property
    def pulumi_bin(self) -> Path:
        """Where Pulumi and its language host are, side by side."""
        return self.tools / "pulumi" / "bin"

    @property
    def pulumi(self) -> Path:
        """The Pulumi CLI."""
        return self.pulumi_bin / "pulumi"

    @property
    def pulumi_home(self) -> Path:
        """Plugins live here: inside the checkout, unless the user has chosen a place."""
        return Path(self.environ.get("PULUMI_HOME") or self.home / "pulumi")

    @property
    def state(self) -> Path:
        """The states of the stacks, unless the user has another backend."""
        return self.home / "state"

    @property
    def own_backend(self) -> str:
        """Those states as Pulumi's backend.

        Without the notes that it would write beside each file: a run that is killed while it writes one of them leaves
        a state that can't be read (`failed to load checkpoint: EOF`), where states themselves are put in place whole.
        """
        return f"file://{self.state}?metadata=skip"

    @property
    def passphrase(self) -> Path:
        """What opens the secrets in those states."""
        return self.home / "passphrase"

    @property
    def ca_bundle(self) -> Path | None:
        """Certificates that the images need as well, where a company or a sandbox has an authority of its own."""
        named = self.environ.get("CAIRN_CA_BUNDLE") or self.environ.get("SSL_CERT_FILE")
        return Path(named) if named else None

    def pulumi_variables(self) -> dict[str, str]:
        """What plain `pulumi` needs to work on this checkout's stacks; what the user has set is left alone."""
        chosen = {
            "PATH": os.pathsep.join(
                [str(self.pulumi_bin), str(self.venv / "bin"), self.environ.get("PATH", os.defpath)]
            ),
            "PULUMI_HOME": str(self.pulumi_home),
            "PULUMI_BACKEND_URL": self.environ.get("PULUMI_BACKEND_URL") or self.own_backend,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # The stack's salt is in its state, so that the committed stack file need not have one.
            "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        }
        if not any(name in self.environ for name in STACK_VARIABLES):
            chosen["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(self.passphrase)
        if self.own_language_host.exists():
            # Where Pulumi's site is not reached, every attempt to fetch a plugin costs ten seconds.
            chosen["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        return chosen

    @property
    def own_language_host(self) -> Path:
        """Ours, which the set-up builds where Pulumi's own is not reached."""
        return self.pulumi_bin / "cairn-language-host"

    def pulumi_environment(self) -> dict[str, str]:
        """The whole environment of a Pulumi process.

        The CLI and its plugins live for seconds: they collect garbage less often, which spares a tenth of the work.
        """
        return {"GOGC": "400", "GOMEMLIMIT": "1GiB", **self.environ, **self.pulumi_variables()}
