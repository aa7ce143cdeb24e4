"""The next release: a checkout like this one with other sources in some images, to upgrade a stack with."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.environment import ROOT
from tests.support.pulumi_cli import pulumi, summary
from tests.support.stack import Stack

LINKED: Final = (".venv", ".cairn")
LEFT_OUT: Final = shutil.ignore_patterns(*LINKED, ".git", "tests", "docs", "__pycache__", ".*_cache")
CHANGED: Final = ("workloads/controllers/__init__.py", "workloads/tracking/__init__.py")


def next_release(folder: Path) -> Path:
    """A checkout whose API, controllers (one image) and MLflow are others than here."""
    shutil.copytree(ROOT, folder, ignore=LEFT_OUT)
    for name in LINKED:
        (folder / name).symlink_to((ROOT / name).resolve())
    for name in CHANGED:
        with (folder / name).open("a") as file:
            file.write(f"# the next release, for {folder.parent.name}\n")
    return folder


def upgrade(stack: Stack, release: Path) -> dict[str, int]:
    """`up` of the stack from that checkout; how many resources it changed, and how."""
    environment: Mapping[str, str] = {**stack.environment, "PYTHONPATH": str(release)}
    options = ("--yes", "--skip-preview", "--json", "--stack", stack.name, "--config-file", str(stack.config_file))
    return summary(pulumi(environment, "up", *options, folder=release))
