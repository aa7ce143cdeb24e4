"""What runs in the object store's container: buckets packed, unpacked aside, adopted whole."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cairn.backup import inside
from cairn.backup.places import _framed, _unframed

ATTRIBUTE = "user.X-Amz-Meta.Owner"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store's folder, with two buckets."""
    folder = tmp_path / "data"
    (folder / "first" / "a folder").mkdir(parents=True)
    (folder / "first" / inside.TEMPORARY).mkdir()
    (folder / "second").mkdir()
    (folder / "first" / inside.TEMPORARY / "upload").write_text("not finished")
    (folder / "first" / "a folder" / "é.bin").write_bytes(bytes(range(256)) * 3000)
    (folder / "first" / "empty").touch(0o640)
    os.setxattr(folder / "first" / "a folder" / "é.bin", ATTRIBUTE, b"ada\xff")
    os.setxattr(folder / "second", "user.acl", b"{}")
    os.utime(folder / "first" / "empty", (1.5, 1.5))
    monkeypatch.setattr(inside, "DATA", folder)
    return folder


def _packed(monkeypatch: pytest.MonkeyPatch) -> bytes:
    content = io.BytesIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(content))
        inside.pack()
        return content.getvalue()


def _unpack(folder: Path, packed: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "DATA", folder)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(packed)))
    inside.unpack()


def test_buckets_come_back_as_they_were(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, attributes, modes and times; uploads under way are left out. An empty bucket of the name gives way."""
    packed = _packed(monkeypatch)
    new = tmp_path / "new"
    (new / "first").mkdir(parents=True)
    _unpack(new, packed, monkeypatch)
    inside.adopt("backup-1")
    inside.forget()
    assert sorted(str(each.relative_to(new)) for each in new.rglob("*")) == [
        "first", "first/a folder", "first/a folder/é.bin", "first/empty", "second"
    ]  # fmt: skip
    assert (new / "first" / "a folder" / "é.bin").read_bytes() == bytes(range(256)) * 3000
    assert os.getxattr(new / "first" / "a folder" / "é.bin", ATTRIBUTE) == b"ada\xff"
    assert os.getxattr(new / "second", "user.acl") == b"{}"
    status = (new / "first" / "empty").stat()
    assert (status.st_mode & 0o777, status.st_mtime) == (0o640, 1.5)


def test_a_bucket_in_use_is_not_replaced(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and all buckets stay as they are; the same backup may be adopted again after a failure."""
    packed = _packed(monkeypatch)
    new = tmp_path / "new"
    (new / "first").mkdir(parents=True)
    (new / "first" / "mine").touch()
    _unpack(new, packed, monkeypatch)
    with pytest.raises(SystemExit, match="the buckets first are not empty"):
        inside.adopt("backup-1")
    assert [each.name for each in (new / "first").iterdir()] == ["mine"]
    (new / "first" / "mine").unlink()
    inside.adopt("backup-1")
    _unpack(new, packed, monkeypatch)
    inside.adopt("backup-1")
    assert (new / "first" / "empty").exists()


def test_what_ends_early_is_not_taken(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing appears among the buckets."""
    packed = _packed(monkeypatch)
    with pytest.raises(SystemExit, match="the input ended early"):
        _unpack(tmp_path / "new", packed[:-40], monkeypatch)
    assert [each.name for each in (tmp_path / "new").iterdir()] == [inside.ASIDE]


def test_frames_have_to_end_and_to_match() -> None:
    """Both ways into a container carry them."""
    stream = b"".join(_framed([b"abc", bytes(300_000)]))
    assert b"".join(_unframed(iter([stream[:9], stream[9:]]), "x")) == b"abc" + bytes(300_000)
    for broken in (stream[:-1], stream.replace(b"abc", b"abd")):
        with pytest.raises(Exception, match="x: the answer broke off"):
            b"".join(_unframed(iter([broken]), "x"))


def test_it_stands_on_the_standard_library() -> None:
    """Its text alone runs in any of the images."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", Path(inside.__file__).read_text(), "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "KeyError: 'nothing'" in done.stderr
