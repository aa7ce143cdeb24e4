"""A stack of a theme's own with this process connected to it, as a user's would be, and two versions of one model."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from google.cloud import aiplatform, storage

import cairn
from tests.chaos.trial import Trial
from tests.conformance import serving
from tests.support.backends import SITES
from tests.support.stack import Stack, running_stack


@contextmanager
def connected(trial: Trial) -> Iterator[tuple[Stack, Path]]:
    """The stack, and a folder for other configs of it; both are gone at the end."""
    site = SITES[trial.backend]()
    with (
        site.open(),
        tempfile.TemporaryDirectory() as own,
        tempfile.TemporaryDirectory() as folder,
        running_stack(site, Path(own)) as stack,
        pytest.MonkeyPatch.context() as patch,
    ):
        for key, value in stack.variables.items():
            patch.setenv(key, value)
        cairn.connect()
        yield stack, Path(folder)


def versions(stack: Stack) -> tuple[aiplatform.Model, aiplatform.Model]:
    """One that answers 1 and one that answers 2."""
    bucket = storage.Client().bucket(stack.staging_bucket)
    first = serving.upload(bucket, 1.0, model_id="constant")
    return first, serving.upload(bucket, 2.0, parent_model=first.resource_name)
