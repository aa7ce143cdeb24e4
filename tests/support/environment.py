"""Environments for the processes that tests start: nothing of the user's stack or cloud in them."""

import os
import secrets
from pathlib import Path
from typing import Final

from toolchain.machine import Machine

ROOT: Final = Path(__file__).resolve().parents[2]
FOREIGN: Final = (
    "CAIRN_", "PULUMI_CONFIG", "PULUMI_BACKEND", "GOOGLE_", "CLOUD_ML_", "MLFLOW_", "AWS_ACCESS", "AWS_SECRET",
    "AWS_ENDPOINT", "STORAGE_", "API_ENDPOINT",
)  # fmt: skip


def clean_environment() -> dict[str, str]:
    """This process's environment without what would point a client at another stack or cloud."""
    kept = ("CAIRN_CA_BUNDLE",)
    return {key: value for key, value in os.environ.items() if key in kept or not key.startswith(FOREIGN)}


def pulumi_environment(folder: Path) -> dict[str, str]:
    """An environment in which the project's own Pulumi keeps its state and its passphrase in `folder`."""
    machine = Machine(ROOT, clean_environment())
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    environment = machine.pulumi_environment()
    environment.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
    return environment | {
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE": secrets.token_urlsafe(24),
        "PULUMI_BIN": str(machine.pulumi),
    }
