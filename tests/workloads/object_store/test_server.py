"""The object store's start."""

from pathlib import Path

import pytest

from workloads.object_store import server


def test_buckets_are_made_once_and_kept(tmp_path: Path) -> None:
    """A second start leaves what is in a bucket."""
    server.ensure_buckets(tmp_path, ("a-b", "c.d"))
    (tmp_path / "a-b" / "object").write_text("kept")
    server.ensure_buckets(tmp_path, ("a-b",))
    assert (tmp_path / "a-b" / "object").read_text() == "kept"


@pytest.mark.parametrize("text", ["../x", "A", "ab", "-ab", "a..b", "a/b", "ab-", "x" * 64])
def test_names_that_are_no_buckets_are_refused(text: str) -> None:
    """Paths, capitals, too short or long ones."""
    with pytest.raises(ValueError, match="CAIRN_BUCKETS names"):
        server.parse_buckets(text)


def test_good_names_are_taken_in_order() -> None:
    """Spaces and repeats don't matter; no bucket at all is fine."""
    assert server.parse_buckets("b-1, a.b,b-1,") == ("b-1", "a.b")
    assert server.parse_buckets("") == ()


def test_the_command_line_names_no_key() -> None:
    """Keys travel in the environment only."""
    for iam in (False, True):
        assert not {"--access", "-a", "--secret", "-s"} & set(server.command(iam))
