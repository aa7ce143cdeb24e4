"""The locks of the images."""

from pathlib import Path

import pytest

import workloads

FOLDER = Path(workloads.__file__).parent


def locked(image: str) -> dict[str, str]:
    """Package to version."""
    lines = (FOLDER / image / "requirements.txt").read_text().splitlines()
    pins = [line.split()[0].split("==") for line in lines if "==" in line]
    return dict(pins)


@pytest.mark.parametrize(
    "package", ["scikit-learn", "xgboost-cpu", "lightgbm", "numpy", "pandas", "scipy", "joblib", "python-dateutil"]
)
def test_models_are_loaded_by_the_versions_that_saved_them(package: str) -> None:
    """Training and serving agree, so there is no version skew between a stack's own images."""
    assert locked("training")[package] == locked("prediction")[package]


@pytest.mark.parametrize("image", sorted(path.parent.name for path in FOLDER.glob("*/requirements.txt")))
def test_every_pin_has_hashes(image: str) -> None:
    """Pip is run with --require-hashes; a lock without them would only fail in the build."""
    text = (FOLDER / image / "requirements.txt").read_text()
    assert text.count("==") <= text.count("--hash=sha256:")


def test_tracking_leaves_out_what_its_server_never_uses() -> None:
    """A lock that was made without its excludes would bring them back, half of the image."""
    lines = (FOLDER / "tracking" / "excludes.txt").read_text().splitlines()
    excluded = {line for line in lines if not line.startswith("#")}
    assert "mlflow" in locked("tracking")
    assert excluded
    assert not excluded & locked("tracking").keys()
