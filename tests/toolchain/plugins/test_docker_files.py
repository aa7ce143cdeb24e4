"""Files on their way to the engine: build contexts, ignore files, uploads, durations."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolchain.plugins.common.resource import ProviderError
from toolchain.plugins.common.values import UNKNOWN, Properties
from toolchain.plugins.docker.build_context import build_context
from toolchain.plugins.docker.durations import duration, nanoseconds
from toolchain.plugins.docker.ignore import parse_ignore
from toolchain.plugins.docker.uploads import archives, only_contents_in_volumes, upload_problems


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A small build context."""
    (tmp_path / "src").mkdir()
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "src/a.py").write_text("a")
    (tmp_path / "src/a.log").write_text("log")
    (tmp_path / ".dockerignore").write_text("**/*.log\n")
    return tmp_path


def digest(app: Path) -> str:
    """The context's digest."""
    return build_context(str(app), None).digest()


def test_the_digest_sees_what_the_build_sees(app: Path) -> None:
    """Content, new files, modes and links count; times and ignored files do not."""
    first = digest(app)
    (app / "src/a.log").write_text("another")
    os.utime(app / "src/a.py", (1, 1))
    assert digest(app) == first
    seen = {first}
    for change in (
        lambda: (app / "src/a.py").write_text("b"),
        (app / "src/b.py").touch,
        lambda: (app / "src/b.py").chmod(0o755),
        lambda: (app / "link").symlink_to("src"),
        lambda: (app / "Dockerfile").write_text("FROM other\n"),
    ):
        change()
        seen.add(digest(app))
    assert len(seen) == 6


def test_the_archive_has_what_the_digest_has(app: Path) -> None:
    """The archive holds the files that are not ignored, as root's, and the Dockerfile whatever is ignored."""
    (app / ".dockerignore").write_text("*\n!src/a.py\n")
    with build_context(str(app), None).archive() as file, tarfile.open(fileobj=file) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [".dockerignore", "Dockerfile", "src/a.py"]
    assert {member.uid for member in members} == {0}


def test_a_dockerfile_from_outside(app: Path) -> None:
    """A Dockerfile beside the context is sent along and counts for the digest."""
    context = build_context(str(app / "src"), str(app / "Dockerfile"))
    first = context.digest()
    with context.archive() as file, tarfile.open(fileobj=file) as tar:
        assert context.dockerfile_name in tar.getnames()
    (app / "Dockerfile").write_text("FROM other\n")
    assert context.digest() != first


def test_a_missing_dockerfile_says_where_it_was_sought(app: Path) -> None:
    """A path that is right only within the context is answered with the right one."""
    with pytest.raises(ProviderError, match=f"did you mean {app}/src/a.py"):
        build_context(f"{app}/src", "a.py")
    with pytest.raises(ProviderError, match="is no folder"):
        build_context(f"{app}/nowhere", None)


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("*.log", ["a.log"], ["src/a.log"]),
        ("**/*.log", ["a.log", "src/deep/a.log"], ["a.logs"]),
        ("/src", ["src", "src/a"], ["other/src", "srcs"]),
        ("src/*/x", ["src/a/x", "src/a/x/y"], ["src/x", "src/a/b/x"]),
        ("*\n!keep", ["a"], ["keep", "keep/below"]),
        ("!a\na", ["a"], []),
        ("?.py", ["a.py"], ["ab.py"]),
        ("[ab].py", ["a.py"], ["c.py"]),
        ("# a comment\n\n", [], ["# a comment"]),
        ("a.b", ["a.b"], ["axb"]),
        ("src/**", ["src/a", "src/a/b"], ["other"]),
    ],
)
def test_ignore_patterns(text: str, out: list[str], kept: list[str]) -> None:
    """Patterns mean what they mean to `docker build`."""
    ignore = parse_ignore(text)
    assert [path for path in out if not ignore.leaves_out(path)] == []
    assert [path for path in kept if ignore.leaves_out(path)] == []


def test_uploads_go_to_the_innermost_mount() -> None:
    """A file below a volume is unpacked there (a read-only root takes none), with its mode and owner."""
    inputs = {
        "volumes": [{"containerPath": "/run"}, {"containerPath": "/run/secrets"}],
        "mounts": [{"target": "/etc", "type": "tmpfs"}],
        "uploads": [
            {"file": "/run/secrets/key", "content": "k", "permissions": "0400", "owner": "1000", "group": "1001"},
            {"file": "/etc/app.conf", "contentBase64": "AAE=", "executable": True},
            {"file": "/run/secrets/more/token", "content": "t"},
        ],
    }
    found = []
    for folder, archive in archives(inputs):
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for entry in tar.getmembers():
                content = tar.extractfile(entry)
                assert content is not None
                found.append((folder, entry.name, entry.mode, entry.uid, entry.gid, content.read()))
    assert found == [
        ("/run/secrets", "key", 0o400, 1000, 1001, b"k"),
        ("/run/secrets", "more/token", 0o644, 0, 0, b"t"),
        ("/", "etc/app.conf", 0o744, 0, 0, b"\0\1"),
    ]


@pytest.mark.parametrize(
    ("upload", "reason"),
    [
        ({"file": "/a"}, "exactly one of"),
        ({"file": "/a", "content": "", "source": "b"}, "exactly one of"),
        ({"file": "a", "content": ""}, "absolute"),
        ({"file": "/a", "content": "", "permissions": "644"}, "four octal digits"),
    ],
)
def test_wrong_uploads(upload: dict[str, Any], reason: str) -> None:
    """Files that can't be uploaded are found before anything is created."""
    (problem,) = upload_problems({"uploads": [upload]})
    assert reason in problem.reason


SECRETS: Properties = {"mounts": [{"target": "/run/secrets", "type": "volume"}]}


@pytest.mark.parametrize(
    ("after", "in_place"),
    [
        ([{"file": "/run/secrets/a", "content": "2", "owner": "7"}, {"file": "/b", "content": "b"}], True),
        ([{"file": "/run/secrets/a", "content": UNKNOWN, "owner": "7"}, {"file": "/b", "content": "b"}], True),
        ([{"file": "/run/secrets/a", "content": "1", "owner": "7"}, {"file": "/b", "content": "c"}], False),
        ([{"file": "/run/secrets/a", "content": "1", "owner": "8"}, {"file": "/b", "content": "b"}], False),
        ([{"file": "/run/secrets/a", "content": "1", "owner": "7"}], False),
        (UNKNOWN, False),
        (None, False),
    ],
)
def test_contents_in_volumes_change_in_place(after: Any, in_place: bool) -> None:
    """Other contents of a volume's files; not of the root's own, not another owner, not another set of files."""
    before = [{"file": "/run/secrets/a", "content": "1", "owner": "7"}, {"file": "/b", "content": "b"}]
    old, new = {**SECRETS, "uploads": before}, {**SECRETS, "uploads": after}
    assert only_contents_in_volumes(old, new) is in_place


def test_uploads_that_are_not_known_yet() -> None:
    """A preview does not complain of contents that the deployment will make."""
    assert upload_problems({"uploads": [UNKNOWN, {"file": UNKNOWN, "content": UNKNOWN, "permissions": UNKNOWN}]}) == []


def test_an_owner_that_this_machine_does_not_know() -> None:
    """A name that can't be resolved is an error that asks for the number."""
    upload = {"file": "/a", "content": "", "owner": "nobody-of-that-name"}
    with pytest.raises(ProviderError, match="give its number"):
        archives({"uploads": [upload]})


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("0s", 0), ("30s", 30 * 10**9), ("1m30s", 90 * 10**9), ("500ms", 5 * 10**8), ("1.5h", 5400 * 10**9)],
)
def test_durations(text: str, value: int) -> None:
    """Go's durations are read as Go reads them."""
    assert nanoseconds(text) == value


@pytest.mark.parametrize("text", ["", "30", "s", "1 m", "-1s", "1d"])
def test_no_durations(text: str) -> None:
    """What is none is refused."""
    with pytest.raises(ValueError, match="is no duration"):
        nanoseconds(text)


@given(st.integers(min_value=0, max_value=10**6).map(lambda milliseconds: milliseconds * 10**6))
def test_durations_there_and_back(value: int) -> None:
    """What is written is read as the same."""
    assert nanoseconds(duration(value)) == value
