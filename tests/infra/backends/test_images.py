"""Images: the tag depends on what the build sees and on nothing else; the context holds that and nothing else."""

import os
import re
from pathlib import Path

import pytest

from infra.backends.base import ImageSpec
from infra.backends.images import content_hash, files, stage
from infra.kinds import images

ROOT = Path(__file__).resolve().parents[3]
SPECS = [each for each in vars(images).values() if isinstance(each, ImageSpec)]
ALL = [*SPECS, *images.SERVING.values(), *images.JOBS.values()]
SPEC = ImageSpec("it", "it/Dockerfile", ("it", "shared.py"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository."""
    (tmp_path / "it" / "__pycache__").mkdir(parents=True)
    (tmp_path / "it" / "__pycache__" / "x.pyc").write_bytes(b"cache")
    (tmp_path / "it" / "Dockerfile").write_text("FROM x")
    (tmp_path / "it" / "run.sh").write_text("true")
    (tmp_path / "it" / "run.sh").chmod(0o755)
    (tmp_path / "shared.py").write_text("x = 1")
    (tmp_path / "unrelated.py").write_text("y = 1")
    return tmp_path


def tag(root: Path, **args: str) -> str:
    """The tag of SPEC in this repository."""
    return content_hash(files(SPEC, root), args)


def test_sees_its_sources_only(root: Path) -> None:
    """Listed files and folders, without caches."""
    assert list(files(SPEC, root)) == ["it/Dockerfile", "it/run.sh", "shared.py"]


def test_missing_source_is_named(root: Path) -> None:
    """The error names the image and the path."""
    with pytest.raises(FileNotFoundError, match=r"image 'it' needs gone\.py"):
        files(ImageSpec("it", "it/Dockerfile", ("gone.py",)), root)


def test_tag_is_the_same_elsewhere(root: Path) -> None:
    """Place, times and group permissions of a checkout don't matter."""
    before = tag(root)
    (root / "shared.py").touch()
    (root / "shared.py").chmod(0o664)
    (root / "unrelated.py").write_text("changed")
    moved = root.rename(root.with_name("moved"))
    assert tag(moved) == before
    assert re.fullmatch("[0-9a-f]{16}", before)


def test_tag_changes_with_what_the_build_sees(root: Path) -> None:
    """Content, executable bits, names and arguments each change it."""
    tags = {tag(root), tag(root, BASE_IMAGE="a"), tag(root, BASE_IMAGE="b")}
    (root / "shared.py").chmod(0o755)
    tags.add(tag(root))
    (root / "shared.py").write_text("x = 2")
    tags.add(tag(root))
    (root / "it" / "run.sh").rename(root / "it" / "go.sh")
    tags.add(tag(root))
    assert len(tags) == 6


def test_staged_context(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The folder holds the sources with plain modes, is made once, and no draft is left."""
    contexts = tmp_path_factory.mktemp("contexts")
    context = files(SPEC, root)
    folder = stage("it", "0123", context, contexts)
    found = {
        str(each.relative_to(folder)): oct(each.stat().st_mode)[-3:] for each in folder.rglob("*") if each.is_file()
    }
    assert found == {"it/Dockerfile": "644", "it/run.sh": "755", "shared.py": "644"}
    assert stage("it", "0123", {}, contexts) == folder
    assert list(contexts.iterdir()) == [folder]


def test_old_contexts_are_forgotten(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A new context removes the image's own of days ago, and no other."""
    contexts = tmp_path_factory.mktemp("contexts")
    for name in ("it-old", "it-new", "other-old"):
        (contexts / name).mkdir()
    for name in ("it-old", "other-old"):
        os.utime(contexts / name, (0, 0))
    stage("it", "0123", files(SPEC, root), contexts)
    assert {each.name for each in contexts.iterdir()} == {"it-new", "it-0123", "other-old"}


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: spec.name)
def test_sources_are_those_of_the_dockerfile(spec: ImageSpec) -> None:
    """What a Dockerfile says that it needs ("# sources: …") is exactly what its build sees."""
    text = (ROOT / spec.dockerfile).read_text(encoding="utf-8")
    declared = re.search(r"^# sources:((?:.*\n#  +)*.*)\n", text, re.MULTILINE)
    assert declared, f"{spec.dockerfile} lacks its '# sources:' line"
    assert set(spec.sources) == set(declared[1].replace("#", " ").split())
