"""Installs the packages of a python_package_spec, then becomes the module: signals reach it directly."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from workloads.gcs import StorageError
from workloads.training import arguments
from workloads.training.packages import PackageError, install


def main(argv: Sequence[str]) -> NoReturn:
    """Ends with 2 when the packages can't be installed; otherwise this process becomes the module."""
    wish = arguments.parse(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            install(wish.package_uris, Path(folder), offline=wish.offline)
    except (PackageError, StorageError, ValueError) as error:
        print(f"training: {error}", file=sys.stderr)
        sys.exit(2)
    os.execv(sys.executable, [sys.executable, "-m", wish.module, *wish.args])  # noqa: S606  a shell would be the risk
