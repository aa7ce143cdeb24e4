"""Installs the packages of a python_package_spec, then becomes the module: same process, so signals reach it directly."""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workloads.gcs import StorageError
from workloads.training import arguments
from workloads.training.packages import PackageError, install


def main(argv: Sequence[str]) -> int:
    """Exit code 2 when the packages can't be installed; otherwise the module's own, since this process becomes it."""
    wish = arguments.parse(argv)
    try:
        with tempfile.TemporaryDirectory() as folder:
            install(wish.package_uris, Path(folder))
    except (PackageError, StorageError, ValueError) as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    os.execv(sys.executable, [sys.executable, "-m", wish.module, *wish.args])
