"""How packages are judged before pip sees them. That pip installs them is proven on the image itself."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from workloads.training.packages import PackageError, fetch, is_isolated_build_needed


def sdist(folder: Path, files: dict[str, str]) -> Path:
    """A source package with these files."""
    path = folder / "p-1.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        ({"p-1/setup.py": ""}, False),
        ({"p-1/pyproject.toml": "[project]\nname = 'p'"}, False),
        ({"p-1/pyproject.toml": '[build-system]\nrequires = ["setuptools>=40.8.0", "wheel"]'}, False),
        ({"p-1/pyproject.toml": '[build-system]\nrequires = ["hatchling"]'}, True),
        ({"p-1/pyproject.toml": '[build-system]\nrequires = ["setuptools-scm>=8", "setuptools"]'}, True),
        ({"p-1/vendor/pyproject.toml": '[build-system]\nrequires = ["hatchling"]'}, False),
    ],
)
def test_isolated_builds_are_for_what_the_image_lacks(tmp_path: Path, files: dict[str, str], needed: bool) -> None:
    """Setuptools and wheel are in the image; another build system must be fetched; nested files don't count."""
    assert is_isolated_build_needed(sdist(tmp_path, files)) is needed


def test_zip_packages_and_wheels_are_understood(tmp_path: Path) -> None:
    """A .zip is looked into, a wheel needs no build."""
    path = tmp_path / "p-1.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("p-1/pyproject.toml", '[build-system]\nrequires = ["flit_core"]')
    assert is_isolated_build_needed(path)
    assert not is_isolated_build_needed(tmp_path / "p-1-py3-none-any.whl")


def test_what_is_no_package_is_told(tmp_path: Path) -> None:
    """A script instead of a package, or a broken pyproject.toml, is named."""
    script = tmp_path / "task.py"
    script.write_text("print()")
    with pytest.raises(PackageError, match=r"task\.py is not a Python source package"):
        is_isolated_build_needed(script)
    with pytest.raises(PackageError, match="is not a Python source package"):
        is_isolated_build_needed(sdist(tmp_path, {"p-1/pyproject.toml": "= broken"}))


def test_a_package_under_gcs_is_used_in_place(tmp_path: Path) -> None:
    """Google's SDK may send /gcs paths: nothing is copied."""
    assert fetch("/gcs/b/p-1.tar.gz", tmp_path) == Path("/gcs/b/p-1.tar.gz")


def test_packages_made_to_harm_are_told(tmp_path: Path) -> None:
    """A pyproject.toml that unpacks to more than a megabyte, a file that is cut short and a bent zip are refused."""
    with pytest.raises(PackageError, match=r"pyproject\.toml is larger than 1048576 bytes"):
        is_isolated_build_needed(sdist(tmp_path, {"p-1/pyproject.toml": " " * (2 << 20)}))
    whole = sdist(tmp_path, {"p-1/setup.py": "x" * 100_000, "p-1/pyproject.toml": "[project]"}).read_bytes()
    cut = tmp_path / "cut-1.tar.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PackageError, match="is not a Python source package"):
        is_isolated_build_needed(cut)
    bomb = tmp_path / "p-1.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("p-1/pyproject.toml", b"\0" * (64 << 20))
    with pytest.raises(PackageError, match="larger than"):
        is_isolated_build_needed(bomb)
