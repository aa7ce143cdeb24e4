"""The drill between backends: saved on Docker in use, restored on Kubernetes, saved there, restored on Docker again.

Ten minutes; at full scale with more objects.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import cairn
from tests.chaos.trial import Trial
from tests.conformance import serving
from tests.support import drill
from tests.support.backends import SITES
from tests.support.drill import Saved
from tests.support.stack import Stack, running_stack

MEGABYTE = 1 << 20


def run(trial: Trial) -> None:
    """Docker → Kubernetes → Docker; each time everything of before has to be there, and the endpoint to answer."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        with _stack("docker", here / "first") as first:
            with _connected(first):
                endpoint = drill.populate(first, serving.two_versions(first), trial.count(5, 200))
            backup = _saved(first, here / "one", trial)
        for number, backend in enumerate(("kubernetes", "docker")):
            with _stack(backend, here / f"{number}{backend}") as stack:
                seconds = drill.restored(backup, stack, trial.report)
                answered = drill.wait_answers(stack, endpoint)
                trial.report(
                    f"  restored on {backend} in {seconds:.1f} s, the deployed model answers after {answered:.1f} s"
                )
                backup = _saved(stack, here / f"two{number}", trial)


def _saved(stack: Stack, file: Path, trial: Trial) -> Saved:
    backup = drill.saved(stack, file, trial.report)
    size = file.stat().st_size / MEGABYTE
    trial.report(f"  saved from {stack.site.name}: {size:.1f} MiB in {backup.seconds:.1f} s, while it was written to")
    return backup


@contextmanager
def _stack(backend: str, folder: Path) -> Iterator[Stack]:
    folder.mkdir()
    site = SITES[backend]()
    with site.open(), running_stack(site, folder) as stack:
        yield stack


@contextmanager
def _connected(stack: Stack) -> Iterator[None]:
    with mock.patch.dict(os.environ, stack.variables):
        cairn.connect()
        yield
