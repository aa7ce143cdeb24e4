"""Fetches and installs the user's Python packages, as Vertex does before it runs the module.

Each source package is built once; wheels are then installed together, so that they may depend on one another. Nothing is
asked of the network unless a package needs something that the image does not have.
"""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from workloads import contract
from workloads.gcs import Client

_PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
_IN_IMAGE: Final = ("setuptools", "wheel")  # build systems that the image holds


class PackageError(Exception):
    """A package can't be fetched or installed; the text says which and why."""


def install(uris: Sequence[str], folder: Path) -> None:
    """Fetch the packages to `folder` and install them for this user.

    Raises:
        PackageError: pip failed; its own message is on stderr.
        StorageError: a package can't be read.
    """
    wheels = [_wheel(fetch(uri, folder / str(number)), folder / "wheels") for number, uri in enumerate(uris)]
    if wheels:
        _pip("install", "--user", "--no-warn-script-location", *map(str, wheels))


def fetch(uri: str, folder: Path) -> Path:
    """The package as a local file: under /gcs as it is, else downloaded (a folder each: pip needs the file's own name)."""
    if uri.startswith(f"{contract.GCS_DIR}/"):
        return Path(uri)
    target = folder / PurePosixPath(uri).name
    Client.from_environment().download(uri, target)
    return target


def _wheel(package: Path, folder: Path) -> Path:
    if package.suffix == ".whl":
        return package
    # In a folder of its own, so that the wheel is the only file there.
    target = folder / package.parent.name
    isolation = () if is_isolated_build_needed(package) else ("--no-build-isolation",)
    _pip("wheel", "--no-deps", *isolation, "--wheel-dir", str(target), str(package))
    return next(target.glob("*.whl"))


def is_isolated_build_needed(package: Path) -> bool:
    """Whether a source package is built by something that the image does not have, so that pip must fetch it."""
    requires: Any = _pyproject(package).get("build-system", {}).get("requires", [])
    return any(not _is_in_image(str(requirement)) for requirement in requires)


def _is_in_image(requirement: str) -> bool:
    name = requirement
    for stop in " <>=!~;[(":
        name = name.split(stop)[0]
    return name.strip().lower() in _IN_IMAGE


def _pyproject(package: Path) -> dict[str, Any]:
    """The package's top-level pyproject.toml, {} when it has none."""
    try:
        if tarfile.is_tarfile(package):
            with tarfile.open(package) as archive:
                names = [name for name in archive.getnames() if _is_top_level_pyproject(name)]
                file = archive.extractfile(names[0]) if names else None
                return tomllib.loads(file.read().decode()) if file else {}
        with zipfile.ZipFile(package) as zipped:
            names = [name for name in zipped.namelist() if _is_top_level_pyproject(name)]
            return tomllib.loads(zipped.read(names[0]).decode()) if names else {}
    except (tarfile.TarError, zipfile.BadZipFile, OSError, ValueError) as error:
        raise PackageError(f"{package.name} is not a Python source package (.tar.gz, .zip) or wheel: {error}") from error


def _is_top_level_pyproject(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name == "pyproject.toml" and len([part for part in path.parts if part != "."]) == 2


def _pip(*arguments: str) -> None:
    done = subprocess.run([*_PIP, *arguments], check=False)
    if done.returncode:
        raise PackageError(f"pip {arguments[0]} failed with exit code {done.returncode}; its own message is above")
