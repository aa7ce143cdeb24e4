"""Brings the model's files to the container and finds the model file among them. Called once, at the server's start."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from workloads.gcs import Client, StorageError
from workloads.prediction.loading import NAMES

_LONGEST_PAUSE_S: Final = 15.0


class NoModel(Exception):
    """The folder holds no model file that this server can load."""


def fetch(uri: str, folder: Path, pause: Callable[[float], None] = time.sleep) -> Path:
    """The artefacts' local folder. Waits, saying why, until there is a model in it.

    Args:
        folder: where a gs:// folder is copied to; a path is used in place.
    """
    wait_s = 1.0
    while True:
        try:
            source = _fetch_once(uri, folder)
            find_model(source)
            return source
        except (StorageError, NoModel) as error:
            print(f"prediction: {error}; trying again in {wait_s:.0f} s", flush=True)
        pause(wait_s)
        wait_s = min(wait_s * 2, _LONGEST_PAUSE_S)


def _fetch_once(uri: str, folder: Path) -> Path:
    if not uri.startswith("gs://"):
        return Path(uri)
    client = Client.from_environment()
    prefix = uri.rstrip("/") + "/"
    for found in client.list(prefix):
        relative = found.uri.removeprefix(prefix)
        if relative and not relative.endswith("/"):
            client.download(found.uri, inside(folder, relative))
    return folder


def inside(folder: Path, relative: str) -> Path:
    """The path of an object below the folder.

    Raises:
        NoModel: the object's name leads out of the folder.
    """
    target = (folder / relative).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise NoModel(f"the object name {relative!r} leads out of the model's folder")
    return target


def find_model(folder: Path) -> Path:
    """The model file.

    Raises:
        NoModel: none or more than one of the names that Vertex's prebuilt containers take and MLflow gives.
    """
    found = [folder / name for name in NAMES if (folder / name).is_file()]
    if len(found) == 1:
        return found[0]
    present = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) if folder.is_dir() else ""
    if found:
        raise NoModel(f"{' and '.join(path.name for path in found)} are in the model's folder: keep one")
    raise NoModel(f"none of {', '.join(NAMES)} is in the model's folder (it holds: {present or 'nothing'})")


def local_folder() -> Path:
    """Where artefacts are copied to: writable also with a read-only root."""
    return Path("/tmp/model")  # noqa: S108  the container's own tmpfs
