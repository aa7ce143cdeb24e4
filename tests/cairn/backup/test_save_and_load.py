"""What goes in, in which order, and what a restore refuses before it changes anything."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest

from cairn.backup import load, save
from cairn.backup.archive import Part
from cairn.backup.places import Place
from cairn.backup.save import Description
from cairn.errors import CairnError

WORD = "correct horse battery"
HERE = Description.of("one", "p", "l", "staging")


@dataclass
class FakePlace(Place):
    """Remembers what it is told; gives the words back as content."""

    used: dict[str, int] = field(default_factory=lambda: {"cairn": 0, "mlflow": 0})
    fails: str = ""
    said: list[str] = field(default_factory=list)
    taken: dict[str, bytes] = field(default_factory=dict)

    def _run(self, service: str, words: tuple[str, ...], given: Iterable[bytes]) -> Iterator[bytes]:
        raise NotImplementedError

    def read(self, service: str, *words: str) -> Iterator[bytes]:
        """Some content."""
        self.said.append(" ".join(words))
        yield f"content of {' '.join(words)}".encode()
        if self.fails == words[0]:
            raise CairnError("the container went away")

    def write(self, service: str, content: Iterable[bytes], *words: str) -> None:
        """Keep it."""
        self.taken[" ".join(words)] = b"".join(content)

    def ask(self, service: str, *words: str) -> str:
        """How full it is."""
        self.said.append(" ".join(words))
        return json.dumps(self.used) if words == ("used",) else ""

    def restart(self, service: str) -> None:
        """Nothing runs."""
        self.said.append(f"restart {service}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A backup."""
    made = tmp_path / "backup"
    extra = [Part("state.json", [b"{}"]), Part("passphrase", [b"opens it"])]
    save.save(made, WORD, HERE, FakePlace(), extra, print)
    return made


def test_rows_are_saved_before_what_they_refer_to(tmp_path: Path) -> None:
    """So that nothing in the backup refers to what is not in it."""
    place = FakePlace()
    save.save(tmp_path / "backup", WORD, HERE, place, (), print)
    assert place.said == ["dump cairn", "dump mlflow", "key", "pack"]


def test_the_file_is_its_owners_and_holds_nothing_in_plain(file: Path) -> None:
    """The state's passphrase is in it."""
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"opens it" not in file.read_bytes()


def test_a_backup_that_fails_leaves_the_older_one(file: Path) -> None:
    """And no half file beside it."""
    before = file.read_bytes()
    with pytest.raises(CairnError, match="went away"):
        save.save(file, WORD, HERE, FakePlace(fails="pack"), (), print)
    assert file.read_bytes() == before
    assert [each.name for each in file.parent.iterdir()] == ["backup"]


def test_what_changes_comes_last_and_in_order(file: Path) -> None:
    """Everything is there, beside what is in use, before buckets and then databases are put in place."""
    place = FakePlace()
    load.load(file, WORD, replace(HERE, stack="two"), place, print)
    assert place.taken == {
        "load cairn": b"content of dump cairn", "load mlflow": b"content of dump mlflow",
        "reseal cairn": b"content of key", "unpack": b"content of pack"
    }  # fmt: skip
    restarts = [f"restart {service}" for service in load.RESTARTED]
    assert place.said[0] == "used"
    assert place.said[1].startswith("adopt ")
    assert place.said[2:] == ["swap cairn mlflow", *restarts, "forget"]


def test_a_stack_in_use_is_refused(file: Path) -> None:
    """Before anything is sent to it."""
    place = FakePlace(used={"cairn": 2, "mlflow": 0})
    with pytest.raises(CairnError, match="the stack is not empty: 2 of a user's things in database cairn"):
        load.load(file, WORD, HERE, place, print)
    assert place.taken == {}


@pytest.mark.parametrize("name", ["project", "location", "staging_bucket"])
def test_a_stack_of_other_names_is_refused(file: Path, name: str) -> None:
    """The names are in every resource: which one differs, and how, is said."""
    place = FakePlace()
    there = Description(**{**asdict(HERE), name: "moon"})
    with pytest.raises(CairnError, match=f"{name}: .*, here moon"):
        load.load(file, WORD, there, place, print)
    assert place.taken == {}


def test_a_damaged_backup_changes_nothing(file: Path) -> None:
    """Cut short: what was in use is not touched."""
    file.write_bytes(file.read_bytes()[:-1])
    place = FakePlace()
    with pytest.raises(CairnError, match="damaged or cut short"):
        load.load(file, WORD, HERE, place, print)
    assert place.said == ["used"]


def test_the_state_can_be_taken_out(file: Path, tmp_path: Path) -> None:
    """As files that only their owner reads."""
    written = load.extract_state(file, WORD, tmp_path / "state")
    assert {each.name: each.read_bytes() for each in written} == {
        "description": written[0].read_bytes(), "state.json": b"{}", "passphrase": b"opens it",
        "secrets-key": b"content of key"
    }  # fmt: skip
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in written)
