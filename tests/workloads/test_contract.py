"""Secrets that change while they are read."""

from pathlib import Path

import pytest

from workloads.contract import SecretFile


def test_a_secret_is_followed(tmp_path: Path) -> None:
    """Written in place or replaced by another file, the next call gives the new text."""
    file = tmp_path / "key"
    file.write_text("one\n")
    secret = SecretFile("key", str(tmp_path))
    assert secret() == "one"
    file.write_text("another\nand one\n")
    assert secret() == "another\nand one"
    (tmp_path / "new").write_text("again\nand one\n")
    (tmp_path / "new").replace(file)
    assert secret() == "again\nand one"


def test_what_is_half_written_is_not_used(tmp_path: Path) -> None:
    """A file that is gone, empty or without its final newline leaves the text before in use until it is whole."""
    file = tmp_path / "key"
    file.write_text("one\n")
    secret = SecretFile("key", str(tmp_path))
    file.unlink()
    assert secret() == "one"
    for half in ("", "tw", "two\nthr"):
        file.write_text(half)
        assert secret() == "one"
    file.write_text("two\nthree\n")
    assert secret() == "two\nthree"


def test_a_missing_secret_is_told_at_the_start(tmp_path: Path) -> None:
    """With the file's name."""
    with pytest.raises(RuntimeError, match="key can't be read"):
        SecretFile("key", str(tmp_path))
