"""Where a stack is and how to enter it: from the environment, or from the outputs of the Pulumi stack.

Called by `connect()` and by every command of the CLI.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from cairn.errors import CairnError
from workloads import contract

ENV_STACK: Final = "CAIRN_STACK"
DEFAULT_STACK: Final = "local"
ENV_TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
ENV_S3_ENDPOINT: Final = "AWS_ENDPOINT_URL_S3"
ENV_ACCESS_KEY: Final = "AWS_ACCESS_KEY_ID"
ENV_SECRET_KEY: Final = "AWS_SECRET_ACCESS_KEY"
OUTPUT_TIMEOUT_S: Final = 60


@dataclass(frozen=True)
class Stack:
    """A stack's addresses and keys; "" for what the environment does not tell."""

    name: str
    project: str
    location: str
    api_endpoint: str
    staging_bucket: str  # no scheme
    tracking_uri: str
    object_store_endpoint: str
    token: str = field(repr=False)
    access_key: str = field(repr=False, default="")
    secret_key: str = field(repr=False, default="")
    tokens: Mapping[str, str] = field(repr=False, default_factory=dict)

    def as_principal(self, name: str) -> "Stack":
        """The stack as one of its other principals enters it: with that token, and without the stack's own S3 keys.

        Raises:
            CairnError: the stack's config names no such principal.
        """
        if name not in self.tokens:
            known = ", ".join(sorted(self.tokens)) or "none"
            raise CairnError(f"no principal {name!r} in cairn:principals of stack {self.name!r}; there: {known}")
        return replace(self, token=self.tokens[name], access_key="", secret_key="", tokens={})

    @property
    def vertex_url(self) -> str:
        """The URL of the Vertex parent of every resource of the stack."""
        return f"{self.api_endpoint}/v1/projects/{self.project}/locations/{self.location}"

    def environment(self) -> dict[str, str]:
        """What a process needs to join the stack, under the names that each tool reads."""
        values = {
            contract.ENV_API_ENDPOINT: self.api_endpoint,
            contract.ENV_TOKEN: self.token,
            contract.ENV_PROJECT: self.project,
            contract.ENV_REGION: self.location,
            contract.ENV_STAGING_BUCKET: self.staging_bucket,
            ENV_TRACKING_URI: self.tracking_uri,
            "MLFLOW_TRACKING_TOKEN": self.token if self.tracking_uri else "",
            ENV_S3_ENDPOINT: self.object_store_endpoint,
            ENV_ACCESS_KEY: self.access_key,
            ENV_SECRET_KEY: self.secret_key,
        }
        return {name: value for name, value in values.items() if value}


def find(name: str | None = None) -> Stack:
    """The named stack; without a name the one of the environment, else CAIRN_STACK's, else "local".

    Raises:
        CairnError: there is no such stack, it is not up, or the environment is incomplete.
    """
    if name is None and os.environ.get(contract.ENV_API_ENDPOINT):
        return from_environment(os.environ)
    return from_outputs(name or os.environ.get(ENV_STACK) or DEFAULT_STACK)


def from_environment(environ: Mapping[str, str]) -> Stack:
    """The stack that `cairn env` or `cairn run` has put into the environment."""
    from cairn.hook.settings import HookError, Settings

    try:
        settings = Settings.from_environment(environ)
    except HookError as error:
        raise CairnError(str(error)) from error
    missing = [name for name in (contract.ENV_PROJECT, contract.ENV_REGION) if not environ.get(name)]
    if missing:
        raise CairnError(f"{contract.ENV_API_ENDPOINT} is set but not {', '.join(missing)}; see `cairn env`")
    return Stack(
        name=environ.get(ENV_STACK, ""),
        project=environ[contract.ENV_PROJECT],
        location=environ[contract.ENV_REGION],
        api_endpoint=settings.api_endpoint,
        staging_bucket=environ.get(contract.ENV_STAGING_BUCKET, "").removeprefix("gs://").strip("/"),
        tracking_uri=environ.get(ENV_TRACKING_URI, ""),
        object_store_endpoint=environ.get(ENV_S3_ENDPOINT, ""),
        token=settings.token,
        access_key=environ.get(ENV_ACCESS_KEY, ""),
        secret_key=environ.get(ENV_SECRET_KEY, ""),
    )


def from_outputs(name: str) -> Stack:
    """The stack that `pulumi up` has made, by the project's own Pulumi (toolchain/)."""
    root = project_root()
    known = known_stacks(root)
    if name not in known:
        raise CairnError(f"no stack {name!r}; known stacks: {', '.join(known) or 'none'} (stacks/Pulumi.<name>.yaml)")
    outputs = _outputs(root, name)
    if "apiEndpoint" not in outputs:
        raise CairnError(f"stack {name!r} is not up; bring it up with `make up`")
    return Stack(
        name=name,
        project=outputs["project"],
        location=outputs["location"],
        api_endpoint=outputs["apiEndpoint"].rstrip("/"),
        staging_bucket=outputs["stagingBucket"],
        tracking_uri=outputs["trackingUri"],
        object_store_endpoint=outputs["objectStoreEndpoint"],
        token=outputs["token"],
        access_key=outputs["accessKey"],
        secret_key=outputs["secretKey"],
        tokens=outputs.get("tokens", {}),
    )


def project_root() -> Path:
    """The folder with Pulumi.yaml: cairn's own checkout, or the nearest one above the working folder."""
    checkout = Path(__file__).resolve().parents[1]
    for folder in (checkout, Path.cwd(), *Path.cwd().parents):
        if (folder / "Pulumi.yaml").is_file() and (folder / "stacks").is_dir():
            return folder
    raise CairnError(
        f"no Pulumi.yaml beside cairn ({checkout}) or above {Path.cwd()}: run this in cairn's checkout, "
        f"or set {contract.ENV_API_ENDPOINT} and the others that `cairn env` prints there"
    )


def known_stacks(root: Path) -> list[str]:
    """The names of the stacks that have a config."""
    files = sorted((root / "stacks").glob("Pulumi.*.yaml"))
    return [file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files]


def _outputs(root: Path, name: str) -> dict[str, Any]:
    """What `pulumi stack output` tells; nothing for a stack that was never up."""
    command = [
        sys.executable,
        "-m",
        "toolchain",
        "pulumi",
        "stack",
        "output",
        "--json",
        "--show-secrets",
        "--stack",
        name,
    ]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=OUTPUT_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise CairnError(
            f"`pulumi stack output` gave no answer in {OUTPUT_TIMEOUT_S} s; is another `make` at work?"
        ) from error
    if done.returncode != 0:
        if "no stack named" in done.stderr:
            return {}
        raise CairnError(f"can't read the outputs of stack {name!r}: {done.stderr.strip() or done.stdout.strip()}")
    outputs: dict[str, Any] = json.loads(done.stdout)
    return outputs
