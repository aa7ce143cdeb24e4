"""A lab for each test of an image."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab, open_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab for one test."""
    with open_lab(tmp_path) as lab:
        yield lab
