"""Fetches and installs the user's Python packages, as Vertex does before it runs the module.

Nothing is asked of the network unless a package needs something that the image does not have.
"""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from workloads import contract
from workloads.gcs import Client

_PIP: Final = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
_LARGEST_PYPROJECT: Final = 1 << 20
OFFLINE: Final = (
    "this job has no way out to an index: give it one with network=projects/<project>/global/networks/<any>, or put "
    "what is missing (its own message above names it) among the job's packages"
)
_IN_IMAGE: Final = ("setuptools", "wheel")  # build systems that the image holds


class PackageError(Exception):
    """A package can't be fetched or installed; the text says which and why."""


def install(uris: Sequence[str], folder: Path, offline: bool = False) -> None:
    """Fetch the packages to `folder` and install them for this user, all at once: they may depend on one another.

    Raises:
        PackageError: pip failed; its own message is on stderr.
        StorageError: a package can't be read.
    """
    packages = [fetch(uri, folder / str(number)) for number, uri in enumerate(uris)]
    if not packages:
        return
    index = ("--no-index",) if offline else ()
    isolation = () if any(map(is_isolated_build_needed, packages)) else ("--no-build-isolation",)
    command = [*_PIP, "install", "--user", "--no-warn-script-location", *index, *isolation, *map(str, packages)]
    done = subprocess.run(command, check=False)
    if done.returncode:
        names = ", ".join(package.name for package in packages)
        why = OFFLINE if offline else "its own message is above"
        raise PackageError(f"pip can't install {names} (exit code {done.returncode}); {why}")


def fetch(uri: str, folder: Path) -> Path:
    """The package as a local file: in place under /gcs, else downloaded under its own name, which pip needs."""
    if uri.startswith(f"{contract.GCS_DIR}/"):
        return Path(uri)
    target = folder / PurePosixPath(uri).name
    Client.from_environment().download(uri, target)
    return target


def is_isolated_build_needed(package: Path) -> bool:
    """Whether a package is built by something that the image does not have, so that pip must fetch it."""
    if package.suffix == ".whl":
        return False
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
                return tomllib.loads(_read(file)) if file else {}
        with zipfile.ZipFile(package) as zipped:
            names = [name for name in zipped.namelist() if _is_top_level_pyproject(name)]
            return tomllib.loads(_read(zipped.open(names[0]))) if names else {}
    # EOFError and zlib's: cut short or bent on purpose.
    except (tarfile.TarError, zipfile.BadZipFile, OSError, ValueError, EOFError, zlib.error, RuntimeError) as error:
        raise PackageError(
            f"{package.name} is not a Python source package (.tar.gz, .zip) or wheel: {error}"
        ) from error


def _read(file: IO[bytes]) -> str:
    """A pyproject.toml, which is small: one that unpacks to gigabytes is there to do harm."""
    with file:
        text = file.read(_LARGEST_PYPROJECT + 1)
    if len(text) > _LARGEST_PYPROJECT:
        raise ValueError(f"its pyproject.toml is larger than {_LARGEST_PYPROJECT} bytes")
    return text.decode()


def _is_top_level_pyproject(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name == "pyproject.toml" and len(path.parts) == 2  # noqa: PLR2004  <name>-<version>/pyproject.toml
